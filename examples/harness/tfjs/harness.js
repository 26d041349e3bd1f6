/* A harness for TensorFlow.js: what makes it speak the protocol of docs/protocol.md.
 *
 *     (cd examples/harness/tfjs && npm install)
 *     gradlaws run --backend "exec:node examples/harness/tfjs/harness.js"
 *
 * TensorFlow.js differentiates functions, and stores no gradient in a tensor. So a tape of pure ops stands between, as
 * gradlaws.Functional is for such engines in Python: it records what is computed, replays it as a function of its leaves,
 * and has the engine pull the gradient argument back through that. What the tape does itself is not claimed (`stored`).
 */
"use strict";
console.log = console.error; // standard output is for answers alone
const tf = require("@tensorflow/tfjs");

// -- ops -------------------------------------------------------------------------------------------------------------

const ints = (index) => tf.tensor(index, undefined, "int32");
const positive = (dim, x) => (dim < 0 ? dim + x.rank : dim);
const order = (x) => x.shape.map((_, k) => k);

/** The dimensions of x in another order: that of number `from` moved to `to`. */
function moved(x, from, to) {
  const dims = order(x);
  dims.splice(positive(to, x), 0, ...dims.splice(positive(from, x), 1));
  return tf.transpose(x, dims);
}

/** f along one dimension, which tfjs takes along the last one only. */
const alongLast = (x, dim, f) => moved(f(moved(x, dim, -1)), -1, dim);

/** A part of x: from start, so many along dim. */
function part(x, dim, start, length) {
  const begin = x.shape.map(() => 0);
  const size = [...x.shape];
  begin[positive(dim, x)] = start;
  size[positive(dim, x)] = length;
  return tf.slice(x, begin, size);
}

/** x with the dimensions swapped as images are: channels last. */
const last = (x) => moved(x, 1, -1);
const first = (x) => moved(x, -1, 1);

/** A reduction by name, over one dimension, several or all. */
const reduce = (name) => (x, { dim, keepdim }) => tf[name](x, dim === null ? undefined : dim, keepdim);
/** The extremum over all, or along a dimension. */
const whole = (name) => (x) => tf[name](x);
const along = (name) => (x, { dim }) => tf[name](x, dim);

const OPS = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  pow: (a, b) => tf.pow(a, b),
  atan2: (a, b) => tf.atan2(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  minimum: (a, b) => tf.minimum(a, b),
  add_scalar: (x, { value }) => tf.add(x, value),
  mul_scalar: (x, { value }) => tf.mul(x, value),
  pow_scalar: (x, { exponent }) => tf.pow(x, exponent),
  clamp: (x, { min, max }) => tf.clipByValue(x, min, max),
  where: (x, a, b) => tf.where(tf.greater(x, 0), a, b),
  hardtanh: (x) => tf.clipByValue(x, -1, 1),
  leaky_relu: (x, { slope }) => tf.leakyRelu(x, slope),
  prelu: (x, a) => tf.prelu(x, a),
  logsigmoid: (x) => tf.logSigmoid(x),
  softmax: (x, { dim }) => alongLast(x, dim, (y) => tf.softmax(y)),
  log_softmax: (x, { dim }) => alongLast(x, dim, (y) => tf.logSoftmax(y)),
  logsumexp: reduce("logSumExp"),
  sum: reduce("sum"),
  mean: reduce("mean"),
  prod: reduce("prod"),
  amax: reduce("max"),
  amin: reduce("min"),
  prod_all: whole("prod"),
  max_all: whole("max"),
  min_all: whole("min"),
  max_dim: along("max"),
  min_dim: along("min"),
  cumsum: along("cumsum"),
  vector_norm: (x) => tf.norm(x),
  reshape: (x, { shape }) => tf.reshape(x, shape),
  transpose(x, { dim0, dim1 }) {
    const dims = order(x);
    const [a, b] = [positive(dim0, x), positive(dim1, x)];
    [dims[a], dims[b]] = [dims[b], dims[a]];
    return tf.transpose(x, dims);
  },
  permute: (x, { dims }) => tf.transpose(x, dims),
  movedim: (x, { source, target }) => moved(x, source, target),
  expand: (x, { shape }) => tf.broadcastTo(x, shape),
  squeeze: (x, { dim }) => (x.shape[positive(dim, x)] === 1 ? tf.squeeze(x, [positive(dim, x)]) : tf.clone(x)),
  unsqueeze: (x, { dim }) => tf.expandDims(x, dim),
  flatten: (x, { start }) => tf.reshape(x, [...x.shape.slice(0, start), x.shape.slice(start).reduce((a, b) => a * b, 1)]),
  narrow: (x, { dim, start, length }) => part(x, dim, start, length),
  select: (x, { dim, index }) => tf.squeeze(part(x, dim, index < 0 ? index + x.shape[positive(dim, x)] : index, 1), [positive(dim, x)]),
  flip: (x, { dim }) => tf.reverse(x, [dim]),
  repeat: (x, { times }) => tf.tile(tf.reshape(x, [...times.slice(x.rank).fill(1), ...x.shape]), times),
  pad: (x, { pad, value }) => tf.pad(x, x.shape.map((_, k) => pad.slice(2 * (x.rank - 1 - k)).concat(0, 0).slice(0, 2)), value),
  cat: (a, b, { dim }) => tf.concat([a, b], dim),
  stack: (a, b, { dim }) => tf.stack([a, b], dim < 0 ? dim + a.rank + 1 : dim),
  chunk(x, { dim }) {
    const size = x.shape[positive(dim, x)];
    return tf.split(x, [Math.ceil(size / 2), Math.floor(size / 2)], dim);
  },
  split(x, { size, dim }) {
    const sizes = [];
    for (let left = x.shape[positive(dim, x)]; left > 0 || !sizes.length; left -= size) sizes.push(Math.min(left, size));
    return tf.split(x, sizes, dim);
  },
  unbind: (x, { dim }) => tf.unstack(x, dim),
  index: (x, { index }) => tf.gather(x, ints(index)),
  index_select: (x, { dim, index }) => tf.gather(x, ints(index), dim),
  embedding: (x, { index }) => tf.gather(x, ints(index)),
  take_elements: (x, { index }) => tf.gather(tf.reshape(x, [-1]), ints(index)),
  index_add: (x, y, { index }) => tf.add(x, tf.unsortedSegmentSum(y, ints(index), x.shape[0])),
  masked_fill: (x, mask, { value }) => tf.where(tf.greater(mask, 0), value, x),
  dropout: (x, mask) => tf.mul(tf.where(tf.greater(mask, 0), x, tf.zerosLike(x)), 2),
  mm: (a, b) => tf.matMul(a, b),
  bmm: (a, b) => tf.matMul(a, b),
  mv: (a, b) => tf.dot(a, b),
  dot: (a, b) => tf.dot(a, b),
  outer: (a, b) => tf.outerProduct(a, b),
  matmul(a, b) {
    if (a.rank > 1 && b.rank > 1) return tf.matMul(a, b);
    if (a.rank > 1) return tf.squeeze(tf.matMul(a, tf.expandDims(b, -1)), [a.rank - 1]);
    return b.rank > 1 ? tf.squeeze(tf.matMul(tf.expandDims(a, 0), b), [b.rank - 2]) : tf.dot(a, b);
  },
  linear: (x, w, b) => tf.add(tf.matMul(x, w, false, true), b),
  conv1d: (x, w, { stride, padding, dilation }) =>
    first(tf.conv1d(last(tf.pad(x, [[0, 0], [0, 0], [padding, padding]])), tf.transpose(w, [2, 1, 0]), stride, "valid", "NWC", dilation)),
  conv2d: (x, w, b, { stride, padding, dilation }) =>
    first(tf.add(tf.conv2d(last(x), tf.transpose(w, [2, 3, 1, 0]), stride, padding || "valid", "NHWC", dilation), b)),
  avg_pool2d: (x, { kernel, stride }) => first(tf.avgPool(last(x), kernel, stride, "valid")),
  max_pool2d: (x, { kernel, stride }) => first(tf.maxPool(last(x), kernel, stride, "valid")),
  mse_loss: (a, b) => tf.losses.meanSquaredError(b, a),
  l1_loss: (a, b) => tf.losses.absoluteDifference(b, a),
  huber_loss: (a, b) => tf.losses.huberLoss(b, a),
  binary_cross_entropy_with_logits: (a, b) => tf.losses.sigmoidCrossEntropy(b, a),
};
// what goes by the same name
for (const name of ["neg", "clone", "square", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "reciprocal", "sin", "cos",
  "atan", "abs", "sign", "floor", "round", "tanh", "sigmoid", "softplus", "relu", "relu6", "elu", "selu", "tan", "asin",
  "acos", "sinh", "cosh", "asinh", "acosh", "atanh", "erf"]) {
  OPS[name] = (x) => tf[name](x);
}

/** Whether tfjs has an op with these parameters. */
function accepts(op, params) {
  if (op === "clamp") return params.min !== null && params.max !== null;
  if (op === "conv1d" || op === "conv2d") return [params.dilation].flat().every((n) => n === 1); // no gradients otherwise
  if (op === "avg_pool2d" || op === "max_pool2d") return [params.padding].flat().every((n) => n === 0);
  return true;
}

// -- a tape ----------------------------------------------------------------------------------------------------------

/** A value, and how it is computed from others: `make` of `parents`. Leaves have neither. */
class Traced {
  constructor(value, tracked = false, make = null, parents = []) {
    this.value = value;
    this.tracked = tracked || parents.some((p) => p.tracked);
    this.make = this.tracked ? make : null;
    this.parents = this.tracked ? parents : [];
    this.grad = null;
  }
}

/** Which operands an op has no derivative by. */
const PASSIVE = { where: [0], masked_fill: [1], dropout: [1] };

/** An op on the tape. */
function apply(op, operands, params) {
  if (!(op in OPS)) throw new Error(`no op ${op}`);
  const make = (...values) => OPS[op](...values, params);
  const made = make(...operands.map((x) => x.value));
  const parents = operands.map((x, k) => (PASSIVE[op]?.includes(k) ? new Traced(tf.clone(x.value)) : x)); // a tensor of its own, of which no gradient is asked
  if (!Array.isArray(made)) return [new Traced(made, false, make, parents)];
  return made.map((value, k) => new Traced(value, false, (...values) => make(...values)[k], parents));
}

/** What roots are computed from by recorded ops, operands first. */
function ancestors(roots) {
  const found = new Set();
  const stack = roots.map((root) => [root, false]);
  while (stack.length) {
    const [node, done] = stack.pop();
    if (done) found.add(node);
    else if (!found.has(node)) {
      stack.push([node, true], ...node.parents.filter((p) => p.tracked).map((p) => [p, false]));
    }
  }
  return [...found];
}

/** The roots as a function of the values of `inputs`. */
function replayed(roots, inputs) {
  const nodes = ancestors(roots);
  return (...values) => {
    const known = new Map(inputs.map((x, k) => [x, values[k]]));
    const held = (x) => (known.has(x) ? known.get(x) : x.value);
    for (const node of nodes) {
      if (!known.has(node) && node.make) known.set(node, node.make(...node.parents.map(held)));
    }
    return roots.map(held);
  };
}

/** The engine's own: the products of a gradient argument with the Jacobians of f at xs; zeros where f does not depend. */
function pullback(f, xs, dy) {
  const { grads } = tf.engine().gradients(() => f(...xs), xs, dy, true); // tf.grads, but for what is not connected
  return grads.map((g, k) => g || tf.zerosLike(xs[k]));
}

/** The gradients of `inputs`; with `create` they can be differentiated again. */
function pulled(roots, inputs, gradients, create) {
  const seeds = roots.map((r, k) => gradients[k] || new Traced(tf.onesLike(r.value)));
  const leaves = ancestors(roots).filter((x) => !x.make && !inputs.includes(x));
  const known = inputs.length + leaves.length;
  const f = replayed(roots, [...inputs, ...leaves]);
  const products = (...values) => {
    const given = values.slice(known);
    const at = values.slice(0, known);
    if (roots.length === 1) return pullback((...xs) => f(...xs)[0], at, given[0]).slice(0, inputs.length);
    const one = (...xs) => tf.addN(f(...xs).map((y, k) => tf.sum(tf.mul(y, given[k]))));
    return pullback(one, at, tf.scalar(1)).slice(0, inputs.length);
  };
  const parents = [...inputs, ...leaves, ...seeds];
  const made = products(...parents.map((x) => x.value));
  if (!create) return made.map((value) => new Traced(value));
  return made.map((value, k) => new Traced(value, false, (...values) => products(...values)[k], parents));
}

/** Refuse what cannot be differentiated. */
function checked(roots, gradients) {
  roots.forEach((root, k) => {
    const seed = gradients[k];
    if (!root.tracked) throw new Error("a root does not depend on anything that is differentiated by");
    if (!seed && root.value.size !== 1) throw new Error("a root has several elements and no gradient argument");
    if (seed && !(seed instanceof Traced)) throw new TypeError("a gradient argument is no tensor");
    if (seed) tf.util.assertShapesMatch(seed.value.shape, root.value.shape, "gradient argument: ");
  });
}

function backward(roots, gradients, create) {
  checked(roots, gradients);
  const leaves = ancestors(roots).filter((x) => !x.make);
  pulled(roots, leaves, gradients, create).forEach((g, k) => {
    leaves[k].grad = leaves[k].grad ? apply("add", [leaves[k].grad, g], {})[0] : g;
  });
}

// -- the protocol ----------------------------------------------------------------------------------------------------

const HELLO = {
  protocol: 1,
  name: "tfjs",
  version: tf.version_core,
  verbs: ["hello", "run", "accepts"],
  capabilities: ["autograd_grad", "backward_many", "bare_gradient", "constants", "create_graph", "grad_roots", "gradient_argument",
    "gradient_lists", "order", "retain_graph", "ties"],
  ops: Object.keys(OPS),
  dtypes: ["float32"],
  dialect: { kinks: { abs: "left", relu6: "left", hardtanh: "largest", maximum: "first", minimum: "first" } },
};

function arrayIn({ dtype, shape, hex }) {
  if (dtype !== "float32") throw new TypeError(`no dtype ${dtype}`);
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  return tf.tensor(new Float32Array(bytes.buffer), shape, "float32");
}

function arrayOut(x) {
  const data = Float32Array.from(x.dataSync());
  return { dtype: x.dtype, shape: x.shape, hex: Buffer.from(data.buffer).toString("hex") };
}

/** Parameters: infinities and NaN are spelled out. */
const paramsIn = (params) =>
  JSON.parse(JSON.stringify(params), (_, v) => (v && v.float ? Number(v.float.replace("inf", "Infinity")) : v));

/** Take one step on the variables; the answer to what it asks. */
function take(step, env, moment) {
  const of = (v) => env.get(v);
  const seedsOf = () => (step.gradients || step.roots.map(() => null)).map((v) => (v === null ? null : v < 0 ? [1] : of(v)));
  switch (step.step) {
    case "Leaf":
      env.set(step.outs[0], new Traced(arrayIn(step.value), step.requires_grad));
      return;
    case "Apply":
      apply(step.op, step.inputs.map(of), paramsIn(step.params)).forEach((x, k) => env.set(step.outs[k], x));
      return;
    case "Backward":
      backward(step.roots.map(of), seedsOf(), step.create_graph);
      return true; // returned None
    case "Grad": {
      const [roots, seeds] = [step.roots.map(of), seedsOf()];
      checked(roots, seeds);
      const made = step.inputs.map((v) => pulled(roots, [of(v)], seeds, step.create_graph)[0]);
      made.forEach((g, k) => env.set(step.outs[k], g));
      return;
    }
    case "ReadGrad":
      if (of(step.x).grad) env.set(step.outs[0], of(step.x).grad);
      return true; // read twice, it is the same object
    case "Forget":
      env.delete(step.x);
      return;
    case "Look":
      return;
    default:
      throw new Unknown(step.step);
  }
}

class Unknown extends Error {}

function look({ tensors, contents }, env) {
  const seen = {};
  for (const v of tensors === "all" ? env.keys() : tensors.filter((v) => env.has(v))) {
    const x = env.get(v);
    seen[v] = { grad: x.grad && arrayOut(x.grad.value) };
    if (contents === "all" || contents.includes(v)) seen[v].value = arrayOut(x.value);
  }
  return seen;
}

function run(program) {
  const [env, moments] = [new Map(), []];
  for (const step of program.steps) {
    const moment = {};
    moments.push(moment);
    if (step.uses.some((v) => !env.has(v))) {
      moment.skipped = true;
      continue;
    }
    let wanted = step.look;
    try {
      const answer = take(step, env, moment);
      if (step.asks) moment.same = { [step.asks]: answer };
    } catch (error) {
      if (error instanceof Unknown) return { error: { class: "Unknown", text: `this harness has no step ${error.message}` } };
      moment.raised = { class: error.name, text: error.message };
      wanted = step.look_if_raised;
    }
    if (wanted) moment.seen = look(wanted, env);
  }
  const trace = { moments };
  if (program.final) trace.final = look({ tensors: "all", contents: "all" }, env);
  return trace;
}

/** The answers to a request. */
function* answers(request) {
  if (request.verb === "hello") yield { result: HELLO };
  else if (request.verb === "accepts") yield { result: accepts(request.op, paramsIn(request.params)) };
  else if (request.verb === "run") {
    for (const program of request.programs) {
      tf.engine().startScope(); // what a program makes is freed behind it
      try {
        yield { result: run(program) };
      } finally {
        tf.engine().endScope();
      }
    }
  } else yield { error: { class: "UnknownVerb", text: `this harness has no verb ${request.verb}` } };
}

async function main() {
  await tf.setBackend("cpu");
  const { writeSync } = require("fs");
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    for (const answer of answers(request)) {
      let text = Buffer.from(JSON.stringify({ id: request.id, ...answer }) + "\n");
      while (text.length) {
        try {
          text = text.subarray(writeSync(1, text));
        } catch (error) {
          if (error.code !== "EAGAIN") throw error;
        }
      }
    }
  }
}

main();
