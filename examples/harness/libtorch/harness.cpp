/* A harness for libtorch, PyTorch's C++ library: what makes it speak the protocol of docs/protocol.md.
 *
 *     cmake -S examples/harness/libtorch -B build -DCMAKE_PREFIX_PATH=$(python -c "import torch; print(torch.utils.cmake_prefix_path)")
 *     cmake --build build
 *     gradlaws run --backend "exec:build/harness"
 *
 * The library is part of each wheel of PyTorch, and Debian packages it (libtorch-dev); JSON is nlohmann's (nlohmann-json3-dev).
 */
#include <torch/torch.h>
#include <torch/version.h>

#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

using json = nlohmann::json;
using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Op = std::function<Tensors(Tensors&, const json&)>;
namespace F = torch::nn::functional;

// -- arrays ----------------------------------------------------------------------------------------------------------

static const std::map<std::string, torch::Dtype> DTYPES = {
    {"float64", torch::kDouble}, {"float32", torch::kFloat}, {"complex128", torch::kComplexDouble},
    {"int64", torch::kLong}, {"bool", torch::kBool}, {"int32", torch::kInt}, {"float16", torch::kHalf},
    {"complex64", torch::kComplexFloat}};

static std::string name_of(torch::Dtype dtype) {
    for (auto& [name, known] : DTYPES)
        if (known == dtype) return name;
    return torch::toString(dtype);
}

static Tensor array_in(const json& array) {
    auto hex = array["hex"].get<std::string>();
    auto dtype = DTYPES.at(array["dtype"].get<std::string>());
    auto x = torch::empty(array["shape"].get<std::vector<int64_t>>(), dtype);
    auto* to = static_cast<unsigned char*>(x.data_ptr());
    for (size_t k = 0; k + 1 < hex.size(); k += 2) to[k / 2] = std::stoi(hex.substr(k, 2), nullptr, 16);
    return x;
}

static json array_out(const Tensor& given) {
    static const char* DIGITS = "0123456789abcdef";
    torch::NoGradGuard quiet;
    auto x = given.detach().resolve_conj().resolve_neg().contiguous();
    std::string hex;
    if (x._is_zerotensor()) x = torch::zeros(x.sizes(), x.dtype());
    auto* from = static_cast<const unsigned char*>(x.data_ptr());
    for (size_t k = 0; k < x.nbytes(); ++k) hex += {DIGITS[from[k] >> 4], DIGITS[from[k] & 15]};
    return {{"dtype", name_of(x.scalar_type())}, {"shape", x.sizes().vec()}, {"hex", hex}};
}

// -- parameters ------------------------------------------------------------------------------------------------------

static double number(const json& value) {
    if (!value.is_object()) return value.get<double>();
    auto text = value["float"].get<std::string>();
    return text == "nan" ? NAN : text == "inf" ? INFINITY : -INFINITY;
}
static double num(const json& p, const char* key) { return number(p.at(key)); }
static int64_t integer(const json& p, const char* key) { return p.at(key).get<int64_t>(); }
static bool flag(const json& p, const char* key) { return p.at(key).get<bool>(); }
static std::vector<int64_t> ints(const json& p, const char* key) {
    if (p.at(key).is_array()) return p.at(key).get<std::vector<int64_t>>();
    return {integer(p, key)};
}
static c10::optional<at::Scalar> limit(const json& p, const char* key) {
    if (p.at(key).is_null()) return c10::nullopt;
    return at::Scalar(num(p, key));
}
static void gathered(const json& value, std::vector<int64_t>& into) {
    if (!value.is_array()) return into.push_back(value.is_boolean() ? value.get<bool>() : value.get<int64_t>());
    for (auto& part : value) gathered(part, into);
}
/** A tensor of indices, or of a mask, from nested lists. */
static Tensor nested(const json& p, const char* key, torch::Dtype dtype = torch::kLong) {
    std::vector<int64_t> flat, shape;
    gathered(p.at(key), flat);
    for (auto part = p.at(key); part.is_array(); part = part.empty() ? json() : json(part[0])) shape.push_back(part.size());
    return torch::tensor(flat, torch::kLong).reshape(shape).to(dtype);
}

// -- ops -------------------------------------------------------------------------------------------------------------

static Tensor eye_like(const Tensor& x) { return torch::eye(x.size(-1), x.options()); }
static Tensor shifted(const Tensor& x, const json& p) { return x + num(p, "shift") * eye_like(x); }

/** Whether an op takes place over all dimensions: `dim` is null. */
static bool whole(const json& p) { return p.at("dim").is_null(); }

#define UNARY(name, call) {#name, [](Tensors& x, const json&) -> Tensors { return {call}; }}
#define OP(name, call) {#name, [](Tensors& x, const json& p) -> Tensors { (void)p; return {call}; }}
#define MANY(name, call) {#name, [](Tensors& x, const json& p) -> Tensors { (void)p; return call; }}
#define SAME(name) UNARY(name, torch::name(x[0]))

static const std::map<std::string, Op> OPS = {
    // arithmetic
    OP(add, x[0] + x[1]), OP(sub, x[0] - x[1]), OP(mul, x[0] * x[1]), OP(div, x[0] / x[1]), OP(neg, -x[0]),
    OP(add_scalar, x[0] + num(p, "value")), OP(mul_scalar, x[0] * num(p, "value")),
    OP(pow_scalar, torch::pow(x[0], num(p, "exponent"))), OP(pow, torch::pow(x[0], x[1])),
    OP(clone, x[0].clone()), OP(where, torch::where(x[0] > 0, x[1], x[2])), OP(greater, x[0] > x[1]), OP(equal, x[0] == x[1]),
    OP(clamp, torch::clamp(x[0], limit(p, "min"), limit(p, "max"))),
    OP(maximum, torch::maximum(x[0], x[1])), OP(minimum, torch::minimum(x[0], x[1])), OP(atan2, torch::atan2(x[0], x[1])),
    OP(hypot, torch::hypot(x[0], x[1])), OP(logaddexp, torch::logaddexp(x[0], x[1])), OP(xlogy, torch::xlogy(x[0], x[1])),
    OP(lerp, torch::lerp(x[0], x[1], x[2])), OP(addcmul, torch::addcmul(x[0], x[1], x[2], num(p, "value"))),
    OP(addcdiv, torch::addcdiv(x[0], x[1], x[2], num(p, "value"))),
    // of one operand, by the same name
    SAME(square), SAME(exp), SAME(log), SAME(log1p), SAME(expm1), SAME(sqrt), SAME(rsqrt), SAME(reciprocal), SAME(sin),
    SAME(cos), SAME(atan), SAME(abs), SAME(sign), SAME(floor), SAME(round), SAME(trunc), SAME(tan), SAME(asin), SAME(acos),
    SAME(sinh), SAME(cosh), SAME(asinh), SAME(acosh), SAME(atanh), SAME(exp2), SAME(log2), SAME(log10), SAME(erf), SAME(erfc),
    SAME(logit), SAME(frac), SAME(tanh), SAME(sigmoid), SAME(relu), SAME(argmax), SAME(trace), SAME(real), SAME(imag),
    SAME(view_as_real), SAME(view_as_complex), SAME(angle),
    OP(conjugate, torch::conj_physical(x[0])), OP(abs_complex, torch::abs(x[0])), OP(from_parts, torch::complex(x[0], x[1])),
    // of networks
    OP(softplus, F::softplus(x[0])), OP(leaky_relu, torch::leaky_relu(x[0], num(p, "slope"))), OP(hardtanh, F::hardtanh(x[0])),
    OP(relu6, F::relu6(x[0])), OP(elu, F::elu(x[0])), OP(silu, F::silu(x[0])), OP(gelu, torch::gelu(x[0], "tanh")),
    OP(gelu_erf, torch::gelu(x[0])), OP(softsign, F::softsign(x[0])), OP(logsigmoid, F::logsigmoid(x[0])), OP(mish, F::mish(x[0])),
    OP(tanhshrink, F::tanhshrink(x[0])), OP(hardswish, torch::hardswish(x[0])), OP(hardsigmoid, torch::hardsigmoid(x[0])),
    OP(selu, F::selu(x[0])), OP(celu, torch::celu(x[0], 2.0)), OP(hardshrink, torch::hardshrink(x[0])),
    OP(softshrink, torch::softshrink(x[0])), OP(threshold, torch::threshold(x[0], 0.25, 2.0)), OP(prelu, torch::prelu(x[0], x[1])),
    OP(glu, torch::glu(x[0], integer(p, "dim"))), OP(softmax, torch::softmax(x[0], integer(p, "dim"))),
    OP(log_softmax, torch::log_softmax(x[0], integer(p, "dim"))), OP(softmin, F::softmin(x[0], integer(p, "dim"))),
    OP(linear, torch::linear(x[0], x[1], x[2])), OP(dropout, x[0] * (x[1] > 0) * 2.0),
    OP(embedding, torch::embedding(x[0], nested(p, "index"))), OP(mse_loss, torch::mse_loss(x[0], x[1])),
    OP(l1_loss, torch::l1_loss(x[0], x[1])), OP(smooth_l1_loss, torch::smooth_l1_loss(x[0], x[1])),
    OP(huber_loss, torch::huber_loss(x[0], x[1])),
    OP(binary_cross_entropy_with_logits, torch::binary_cross_entropy_with_logits(x[0], x[1])),
    OP(kl_div, torch::kl_div(x[0], x[1], at::Reduction::Sum)), OP(poisson_nll_loss, F::poisson_nll_loss(x[0], x[1])),
    OP(binary_cross_entropy, torch::binary_cross_entropy(x[0] / 4 + 0.5, x[1] / 4 + 0.5)),
    OP(nll_loss, torch::nll_loss(x[0], nested(p, "target"))), OP(cross_entropy, torch::cross_entropy_loss(x[0], nested(p, "target"))),
    OP(layer_norm, torch::layer_norm(x[0], {integer(p, "size")}, x[1], x[2], 0.125)),
    OP(batch_norm, torch::batch_norm(x[0], x[1], x[2], {}, {}, true, 0.1, 0.125, true)),
    OP(group_norm, torch::group_norm(x[0], integer(p, "groups"), x[1], x[2], 0.125)),
    OP(instance_norm, torch::instance_norm(x[0], {}, {}, {}, {}, true, 0.1, 0.125, true)),
    OP(normalize, F::normalize(x[0], F::NormalizeFuncOptions().dim(integer(p, "dim")))),
    OP(cosine_similarity, torch::cosine_similarity(x[0], x[1], integer(p, "dim"))),
    OP(conv1d, torch::conv1d(x[0], x[1], {}, integer(p, "stride"), integer(p, "padding"), integer(p, "dilation"))),
    OP(conv2d, torch::conv2d(x[0], x[1], x[2], ints(p, "stride"), ints(p, "padding"), ints(p, "dilation"))),
    OP(conv_transpose1d, torch::conv_transpose1d(x[0], x[1], {}, integer(p, "stride"))),
    OP(avg_pool1d, torch::avg_pool1d(x[0], ints(p, "kernel"), ints(p, "stride"), ints(p, "padding"))),
    OP(avg_pool2d, torch::avg_pool2d(x[0], ints(p, "kernel"), ints(p, "stride"), ints(p, "padding"))),
    OP(max_pool1d, torch::max_pool1d(x[0], ints(p, "kernel"), ints(p, "stride"), ints(p, "padding"))),
    OP(max_pool2d, torch::max_pool2d(x[0], ints(p, "kernel"), ints(p, "stride"), ints(p, "padding"))),
    OP(adaptive_avg_pool1d, torch::adaptive_avg_pool1d(x[0], integer(p, "size"))),
    OP(adaptive_max_pool1d, std::get<0>(torch::adaptive_max_pool1d(x[0], integer(p, "size")))),
    OP(pixel_shuffle, torch::pixel_shuffle(x[0], 2)),
    // reductions and scans
    OP(sum, whole(p) ? x[0].sum() : torch::sum(x[0], ints(p, "dim"), flag(p, "keepdim"))),
    OP(mean, whole(p) ? x[0].mean() : torch::mean(x[0], ints(p, "dim"), flag(p, "keepdim"))),
    OP(prod, whole(p) ? x[0].prod() : torch::prod(x[0], integer(p, "dim"), flag(p, "keepdim"))),
    OP(prod_all, x[0].prod()), OP(max_all, x[0].max()), OP(min_all, x[0].min()),
    OP(logsumexp, torch::logsumexp(x[0], ints(p, "dim"), flag(p, "keepdim"))),
    OP(amax, torch::amax(x[0], ints(p, "dim"), flag(p, "keepdim"))), OP(amin, torch::amin(x[0], ints(p, "dim"), flag(p, "keepdim"))),
    OP(max_dim, std::get<0>(torch::max(x[0], integer(p, "dim")))), OP(min_dim, std::get<0>(torch::min(x[0], integer(p, "dim")))),
    OP(var, torch::var(x[0], ints(p, "dim"), true, flag(p, "keepdim"))), OP(std, torch::std(x[0], ints(p, "dim"), true, flag(p, "keepdim"))),
    {"var_mean", [](Tensors& x, const json& p) -> Tensors {
         auto [var, mean] = torch::var_mean(x[0], ints(p, "dim"), true, flag(p, "keepdim"));
         return {var, mean};
     }},
    OP(vector_norm, torch::linalg_vector_norm(x[0])), OP(p_norm, torch::linalg_vector_norm(x[0], num(p, "ord"))),
    OP(cumsum, torch::cumsum(x[0], integer(p, "dim"))), OP(cumprod, torch::cumprod(x[0], integer(p, "dim"))),
    OP(logcumsumexp, torch::logcumsumexp(x[0], integer(p, "dim"))),
    OP(cummax, std::get<0>(torch::cummax(x[0], integer(p, "dim")))), OP(cummin, std::get<0>(torch::cummin(x[0], integer(p, "dim")))),
    OP(sort, std::get<0>(torch::sort(x[0], integer(p, "dim")))),
    OP(sort_stable, std::get<0>(torch::sort(x[0], true, integer(p, "dim"), false))),
    OP(sort_descending, std::get<0>(torch::sort(x[0], true, integer(p, "dim"), true))),
    OP(topk, std::get<0>(torch::topk(x[0], integer(p, "k"), integer(p, "dim")))),
    OP(kthvalue, std::get<0>(torch::kthvalue(x[0], integer(p, "k"), integer(p, "dim")))),
    OP(median, std::get<0>(torch::median(x[0], integer(p, "dim")))),
    // shapes
    OP(view, x[0].view(ints(p, "shape"))), OP(reshape, x[0].reshape(ints(p, "shape"))),
    OP(transpose, x[0].transpose(integer(p, "dim0"), integer(p, "dim1"))), OP(permute, x[0].permute(ints(p, "dims"))),
    OP(expand, x[0].expand(ints(p, "shape"))), OP(squeeze, x[0].squeeze(integer(p, "dim"))),
    OP(unsqueeze, x[0].unsqueeze(integer(p, "dim"))), OP(narrow, x[0].narrow(integer(p, "dim"), integer(p, "start"), integer(p, "length"))),
    OP(flip, torch::flip(x[0], ints(p, "dim"))), OP(movedim, torch::movedim(x[0], integer(p, "source"), integer(p, "target"))),
    OP(roll, torch::roll(x[0], ints(p, "shift"), ints(p, "dim"))), OP(repeat, x[0].repeat(ints(p, "times"))),
    OP(pad, torch::constant_pad_nd(x[0], ints(p, "pad"), num(p, "value"))), SAME(diagonal), SAME(diag_embed),
    OP(tril, torch::tril(x[0], integer(p, "diagonal"))), OP(triu, torch::triu(x[0], integer(p, "diagonal"))),
    OP(flatten, torch::flatten(x[0], integer(p, "start"))), OP(rot90, torch::rot90(x[0], integer(p, "times"), {0, 1})),
    OP(repeat_interleave, torch::repeat_interleave(x[0], integer(p, "times"), integer(p, "dim"))),
    OP(as_strided, torch::as_strided(x[0], ints(p, "shape"), ints(p, "stride"))),
    OP(unfold, x[0].unfold(integer(p, "dim"), integer(p, "size"), integer(p, "step"))),
    OP(cat, torch::cat({x[0], x[1]}, integer(p, "dim"))), OP(stack, torch::stack({x[0], x[1]}, integer(p, "dim"))),
    MANY(chunk, x[0].chunk(2, integer(p, "dim"))), MANY(split, x[0].split(integer(p, "size"), integer(p, "dim"))),
    MANY(unbind, torch::unbind(x[0], integer(p, "dim"))),
    // parts
    OP(select, x[0].select(integer(p, "dim"), integer(p, "index"))), OP(get_item, x[0][integer(p, "index")]),
    OP(get_slice, x[0].index({torch::indexing::Slice(integer(p, "start"), torch::indexing::None, integer(p, "step"))})),
    OP(index, x[0].index({nested(p, "index")})), OP(index_mask, x[0].index({nested(p, "mask", torch::kBool)})),
    OP(index_select, torch::index_select(x[0], integer(p, "dim"), nested(p, "index"))),
    OP(gather, torch::gather(x[0], integer(p, "dim"), nested(p, "index"))),
    OP(take_along_dim, torch::take_along_dim(x[0], nested(p, "index"), integer(p, "dim"))),
    OP(take_elements, torch::take(x[0], nested(p, "index"))),
    OP(masked_select, torch::masked_select(x[0], nested(p, "mask", torch::kBool))),
    OP(masked_fill, x[0].masked_fill(x[1] > 0, num(p, "value"))),
    OP(scatter, torch::scatter(x[0], integer(p, "dim"), nested(p, "index"), x[1])),
    OP(scatter_add, torch::scatter_add(x[0], integer(p, "dim"), nested(p, "index"), x[1])),
    OP(scatter_reduce_mean, torch::scatter_reduce(x[0], integer(p, "dim"), nested(p, "index"), x[1], "mean")),
    OP(scatter_reduce_amax, torch::scatter_reduce(x[0], integer(p, "dim"), nested(p, "index"), x[1], "amax")),
    OP(index_add, torch::index_add(x[0], 0, nested(p, "index"), x[1])),
    OP(index_copy, torch::index_copy(x[0], integer(p, "dim"), nested(p, "index"), x[1])),
    OP(index_put, torch::index_put(x[0], {nested(p, "index")}, x[1], true)),
    OP(slice_scatter, torch::slice_scatter(x[0], x[1], integer(p, "dim"), integer(p, "start"), integer(p, "end"), integer(p, "step"))),
    OP(select_scatter, torch::select_scatter(x[0], x[1], integer(p, "dim"), integer(p, "index"))),
    OP(diagonal_scatter, torch::diagonal_scatter(x[0], x[1])),
    // products and linear algebra
    OP(mm, torch::mm(x[0], x[1])), OP(mv, torch::mv(x[0], x[1])), OP(dot, torch::dot(x[0], x[1])), OP(bmm, torch::bmm(x[0], x[1])),
    OP(outer, torch::outer(x[0], x[1])), OP(matmul, torch::matmul(x[0], x[1])), OP(inner, torch::inner(x[0], x[1])),
    OP(kron, torch::kron(x[0], x[1])), OP(cross, torch::linalg_cross(x[0], x[1])), OP(vecdot, torch::linalg_vecdot(x[0], x[1])),
    OP(einsum, torch::einsum(p.at("spec").get<std::string>(), {x[0], x[1]})),
    OP(multi_dot, torch::linalg_multi_dot({x[0], x[1], x[2]})),
    OP(addmm, torch::addmm(x[0], x[1], x[2], num(p, "beta"), num(p, "alpha"))),
    OP(inv, torch::linalg_inv(shifted(x[0], p))), OP(det, torch::linalg_det(shifted(x[0], p))),
    OP(solve, torch::linalg_solve(shifted(x[0], p), x[1])),
    OP(cholesky, torch::linalg_cholesky(shifted(torch::matmul(x[0], x[0].transpose(0, 1)), p))),
    OP(scaled_dot_product_attention, torch::scaled_dot_product_attention(x[0], x[1], x[2], {}, 0.0, flag(p, "is_causal"))),
    // other dtypes
    OP(cast, x[0].to(DTYPES.at(p.at("dtype").get<std::string>()))), OP(to_integer, x[0].to(DTYPES.at(p.at("dtype").get<std::string>()))),
};

static const std::map<std::string, Op> IN_PLACE = {
    OP(add_, x[0].add_(x[1])), OP(sub_, x[0].sub_(x[1])), OP(mul_, x[0].mul_(x[1])), OP(div_, x[0].div_(x[1])),
    OP(add_scalar_, x[0].add_(num(p, "value"))), OP(mul_scalar_, x[0].mul_(num(p, "value"))), OP(zero_, x[0].zero_()),
    OP(fill_, x[0].fill_(num(p, "value"))), OP(copy_, x[0].copy_(x[1])), OP(exp_, x[0].exp_()), OP(relu_, x[0].relu_()),
    OP(masked_fill_, x[0].masked_fill_(x[1] > 0, num(p, "value"))), OP(neg_, x[0].neg_()), OP(tanh_, x[0].tanh_()),
    OP(sigmoid_, x[0].sigmoid_()), OP(sqrt_, x[0].sqrt_()), OP(clamp_, x[0].clamp_(limit(p, "min"), limit(p, "max"))),
    OP(set_slice_, x[0].index_put_({torch::indexing::Slice(integer(p, "start"), integer(p, "stop"))}, x[1])),
    OP(set_mask_, x[0].index_put_({nested(p, "mask", torch::kBool)}, at::Scalar(num(p, "value")))),
    OP(set_item_, x[0].index_put_({integer(p, "index")}, x[1])),
};

// -- programs --------------------------------------------------------------------------------------------------------

/** What a program raises on purpose. */
struct Interruption : std::runtime_error {
    Interruption() : std::runtime_error("on purpose") {}
};
/** A kind of step that this harness has not. */
struct Unknown : std::runtime_error {
    using std::runtime_error::runtime_error;
};

static json error_out(const std::exception& error) {
    std::string text = error.what();
    if (auto* own = dynamic_cast<const c10::Error*>(&error)) text = own->what_without_backtrace();
    json out = {{"class", dynamic_cast<const c10::Error*>(&error) ? "c10::Error" : "std::exception"}, {"text", text.substr(0, 500)}};
    if (dynamic_cast<const Interruption*>(&error)) out["deliberate"] = true;
    return out;
}

struct Run {
    std::map<int, Tensor> env;
    std::vector<std::unique_ptr<torch::AutoGradMode>> modes;
    struct Handle {
        Tensor x;
        unsigned index;
    };
    std::map<int, Handle> handles;
    std::map<int, std::unique_ptr<torch::optim::SGD>> optimizers;
    std::map<int, std::set<int>> readings;
    json* moment = nullptr;
    std::set<json> lost;
    bool cyclic = false;

    ~Run() {
        while (!modes.empty()) modes.pop_back();
        if (cyclic)
            for (auto& [v, x] : env) x.mutable_grad() = Tensor();
    }

    Tensors of(const json& variables) {
        Tensors found;
        for (int v : variables) found.push_back(env.at(v));
        return found;
    }

    /** Gradient arguments: null stands for none; what is no tensor does not compile, and is refused so. */
    Tensors seeds(const json& given) {
        Tensors found;
        if (given.is_null()) return found;
        for (auto& v : given) {
            if (!v.is_null() && v.get<int>() < 0) throw std::invalid_argument("a list is no tensor: it does not compile");
            found.push_back(v.is_null() ? Tensor() : env.at(v.get<int>()));
        }
        return found;
    }

    void mode(const std::string& kind) {
        if (kind == "no_grad" || kind == "enable_grad")
            modes.push_back(std::make_unique<torch::AutoGradMode>(kind == "enable_grad"));
        else if (!modes.empty())
            modes.pop_back();
    }

    /** Steps within a hook: modes that they leave open, and variables that they make, end with them. */
    void nested_steps(const json& steps) {
        auto depth = modes.size();
        auto close = [&] {
            for (auto& step : steps)
                for (int v : step["outs"]) env.erase(v);
            while (modes.size() > depth) modes.pop_back();
        };
        try {
            for (auto& step : steps) take(step);
        } catch (...) {
            close();
            throw;
        }
        close();
    }

    void hook(const json& step) {
        auto x = env.at(step["x"]);
        int handle = step["handle"];
        (void)x.grad_fn();  // a view that was written to through another alias forgets hooks otherwise (pytorch#196459)
        // A hook that removes itself is destroyed while it runs, so what it needs is kept elsewhere until then.
        auto call = std::make_shared<std::function<Tensor(const Tensor&)>>([this, step, handle](const Tensor& g) -> Tensor {
            (*moment)["calls"].push_back({handle, g.defined() ? array_out(g) : json()});
            nested_steps(step["within"]);
            auto effect = step["effect"].get<std::string>();
            if (effect == "raise") throw Interruption();
            if (!g.defined() || effect == "none") return Tensor();
            if (effect == "same") return g;
            if (effect == "double") return g + g;
            if (effect == "negate") return g * -torch::ones_like(g);
            if (effect == "increment") return g + torch::ones_like(g);
            if (effect == "unsqueeze") return g.detach().clone().unsqueeze(0);
            if (effect == "sum") return g.detach().sum();
            if (effect == "cast") return g.detach().to(g.scalar_type() == torch::kDouble ? torch::kFloat : torch::kDouble);
            throw std::invalid_argument("a number is no tensor: it does not compile");
        });
        handles[handle] = {x, x.register_hook([call](const Tensor& g) {
                                   auto kept = call;
                                   return (*kept)(g);
                               })};
    }

    /** Take a step; the answer to what it asks. */
    json take(const json& step) {
        auto kind = step["step"].get<std::string>();
        auto out = [&](const Tensor& x, size_t k = 0) { env[step["outs"][k].get<int>()] = x; };
        auto x = [&]() -> Tensor& { return env.at(step["x"].get<int>()); };
        auto option = [&](const char* key) -> c10::optional<bool> {
            return step[key].is_null() ? c10::optional<bool>() : step[key].get<bool>();
        };
        if (kind == "Leaf") {
            out(array_in(step["value"]).set_requires_grad(step["requires_grad"].get<bool>()));
        } else if (kind == "Apply") {
            auto inputs = of(step["inputs"]);
            auto made = OPS.at(step["op"])(inputs, step["params"]);
            for (size_t k = 0; k < made.size(); ++k) out(made[k], k);
            if (step["op"] == "cast") return made[0].is_same(inputs[0]);
        } else if (kind == "InPlace") {
            auto operands = of(json::array({step["target"]}));
            for (auto& other : of(step["inputs"])) operands.push_back(other);
            IN_PLACE.at(step["op"])(operands, step["params"]);
        } else if (kind == "Backward") {
            auto create = step["create_graph"].get<bool>();
            cyclic |= create;
            auto given = seeds(step["gradients"]);
            auto roots = of(step["roots"]);
            if (roots.size() == 1 && given.size() < 2) {
                c10::optional<at::TensorList> inputs;
                Tensors listed;
                if (!step["inputs"].is_null()) inputs = listed = of(step["inputs"]);
                roots[0].backward(given.empty() ? Tensor() : given[0], option("retain_graph"), create, inputs);
            } else {
                Tensors listed;
                if (!step["inputs"].is_null()) listed = of(step["inputs"]);
                torch::autograd::backward(roots, given, option("retain_graph"), create, listed);
            }
            return true;
        } else if (kind == "Grad") {
            auto create = step["create_graph"].get<bool>();
            cyclic |= create;
            auto found = torch::autograd::grad(of(step["roots"]), of(step["inputs"]), seeds(step["gradients"]),
                                               option("retain_graph"), create, step.value("allow_unused", false));
            for (size_t k = 0; k < found.size(); ++k) {
                if (found[k].defined()) out(found[k], k);
                else (*moment)["nothing"].push_back(step["outs"][k]);
            }
        } else if (kind == "ReadGrad") {
            auto grad = x().grad();
            if (grad.defined()) out(grad);
            for (int v : step["outs"]) readings[step["x"].get<int>()].insert(v);
            return x().grad().is_same(grad) || !grad.defined();
        } else if (kind == "ClearGrad") {
            lose(step["x"]);
            x().mutable_grad() = Tensor();
        } else if (kind == "SetGrad") {
            if (step["source"].is_null()) throw std::invalid_argument("a number is no tensor: it does not compile");
            auto& source = env.at(step["source"].get<int>());
            x().mutable_grad() = source;
            return x().grad().is_same(source);
        } else if (kind == "ZeroGrad") {
            auto grad = x().grad();
            x().mutable_grad().zero_();
            return x().grad().is_same(grad);
        } else if (kind == "RequireGrad") {
            auto made = x().requires_grad_(step["flag"].get<bool>());
            bool same = made.is_same(x());
            if (!step["outs"].empty()) out(made);
            return same;
        } else if (kind == "RetainGrad") {
            x().retain_grad();
        } else if (kind == "Detach") {
            out(x().detach());
        } else if (kind == "DetachInPlace") {
            return x().detach_().is_same(x());
        } else if (kind == "Forget") {
            env.erase(step["x"].get<int>());
        } else if (kind == "Mode") {
            mode(step["kind"]);
        } else if (kind == "Hook") {
            hook(step);
        } else if (kind == "RemoveHook") {
            auto at = handles.find(step["handle"]);
            if (at != handles.end()) at->second.x.remove_hook(at->second.index);
        } else if (kind == "Optimizer") {
            auto options = torch::optim::SGDOptions(step["lr"].get<double>()).momentum(step["momentum"]).weight_decay(step["weight_decay"]);
            optimizers[step["handle"]] = std::make_unique<torch::optim::SGD>(of(step["parameters"]), options);
        } else if (kind == "OptimizerStep" || kind == "OptimizerZeroGrad" || kind == "ClipGrad") {
            auto parameters = of(step["parameters"]);
            Tensors held;
            for (auto& p : parameters) held.push_back(p.grad());
            if (kind == "OptimizerStep") {
                optimizers.at(step["handle"])->step();
            } else if (kind == "ClipGrad") {
                if (step["kind"] == "norm") torch::nn::utils::clip_grad_norm_(parameters, step["limit"].get<double>());
                else torch::nn::utils::clip_grad_value_(parameters, step["limit"].get<double>());
            } else {
                bool to_none = step["set_to_none"];
                if (to_none)
                    for (int v : step["parameters"]) lose(v);
                optimizers.at(step["handle"])->zero_grad(to_none);
                if (to_none) return json();
            }
            bool kept = true;
            for (size_t k = 0; k < held.size(); ++k) kept &= !held[k].defined() || parameters[k].grad().is_same(held[k]);
            return kept;
        } else if (kind != "Look") {
            throw Unknown(kind);
        }
        return json();
    }

    // -- looking -----------------------------------------------------------------------------------------------------

    json snapshot(const Tensor& x, bool contents) {
        json seen = {{"grad", json()}, {"requires_grad", x.requires_grad()}, {"is_leaf", x.is_leaf()}, {"retains_grad", x.retains_grad()}};
        try {
            (void)x.grad_fn();  // brings a view up to date that was written to through another alias, as a look in Python does
        } catch (const c10::Error&) {  // it is refused for views that were made where nothing was recorded
        }
        if (x.grad().defined()) {
            seen["grad"] = array_out(x.grad());
            seen["grad_requires_grad"] = x.grad().requires_grad();
        }
        if (contents) seen["value"] = array_out(x);
        return seen;
    }

    json look(const json& wanted) {
        json seen = json::object();
        auto& contents = wanted["contents"];
        std::set<int> read;
        if (contents.is_array()) read = std::set<int>(contents.begin(), contents.end());
        auto add = [&](int v) {
            if (env.count(v)) seen[std::to_string(v)] = snapshot(env.at(v), contents == "all" || read.count(v));
        };
        if (wanted["tensors"] == "all") {
            for (auto& [v, x] : env) add(v);
        } else {
            for (int v : wanted["tensors"]) add(v);
        }
        return seen;
    }

    static const void* place(const Tensor& x) {
        return x._is_zerotensor() || !x.has_storage() ? nullptr : x.storage().data_ptr().get();
    }
    static bool shares(const Tensor& a, const Tensor& b) {
        return place(a) && place(a) == place(b) && a.numel() && b.numel();
    }

    /** What shares memory with a gradient, of all or of one variable. */
    std::set<json> sharing(int only = -1) {
        std::set<json> found;
        std::vector<std::pair<json, Tensor>> known;
        std::set<const void*> grads, owners;
        for (auto& [v, x] : env) {
            auto grad = x.grad();
            if (!grad.defined() || grads.count(grad.unsafeGetTensorImpl()) || owners.count(x.unsafeGetTensorImpl())) continue;
            owners.insert(x.unsafeGetTensorImpl());
            json mine = {"grad", v};
            auto meet = [&](const json& other, const Tensor& thing) {
                if (only >= 0 && only != v && other != json({"grad", only})) return;
                if (!thing.is_same(grad) && shares(grad, thing)) found.insert(json::array({other, mine}));
            };
            for (auto& [other, thing] : known) meet(other, thing);
            for (auto& [w, thing] : env) meet({"value", w}, thing);
            grads.insert(grad.unsafeGetTensorImpl());
            known.push_back({mine, grad});
        }
        return found;
    }

    /** Note what shares memory with the gradient of x, which is about to go. */
    void lose(int x) {
        for (auto& pair : sharing(x)) {
            bool own = pair[1] == json({"grad", x}) && pair[0][0] == "value" && readings[x].count(pair[0][1].get<int>());
            if (!own) lost.insert(pair);
        }
    }

    json trace(const json& program) {
        json moments = json::array();
        for (auto& step : program["steps"]) {
            moments.push_back(json::object());
            moment = &moments.back();
            bool skip = false;
            for (int v : step["uses"]) skip |= !env.count(v);
            auto kind = step["step"].get<std::string>();
            skip = skip || (kind == "ZeroGrad" && !env.at(step["x"].get<int>()).grad().defined());
            skip = skip || ((kind == "OptimizerStep" || kind == "OptimizerZeroGrad") && !optimizers.count(step["handle"]));
            if (skip) {
                (*moment)["skipped"] = true;
                continue;
            }
            const char* wanted = "look";
            try {
                auto answer = take(step);
                if (step.contains("asks") && !answer.is_null()) (*moment)["same"] = {{step["asks"], answer}};
            } catch (const Unknown& error) {
                return {{"error", {{"class", "Unknown"}, {"text", std::string("this harness has no step ") + error.what()}}}};
            } catch (const std::exception& error) {
                (*moment)["raised"] = error_out(error);
                wanted = "look_if_raised";
            }
            (*moment)["recording"] = torch::GradMode::is_enabled();
            if (step.contains(wanted)) (*moment)["seen"] = look(step[wanted]);
        }
        json answer = {{"moments", moments}};
        if (program["final"]) answer["final"] = look({{"tensors", "all"}, {"contents", "all"}});
        auto memory = sharing();
        memory.insert(lost.begin(), lost.end());
        answer["memory"] = memory;
        if (program.contains("views")) {
            json together = json::array();
            auto meet = [&](int a, int b) {
                if (env.count(a) && env.count(b) && shares(env.at(a), env.at(b))) together.push_back({a, b});
            };
            for (auto& pair : program["views"]) meet(pair[0], pair[1]);
            std::vector<int> own = program["own"];
            for (size_t a = 0; a < own.size(); ++a)
                for (size_t b = a + 1; b < own.size(); ++b) meet(own[a], own[b]);
            answer["together"] = together;
        }
        return answer;
    }
};

// -- the protocol ----------------------------------------------------------------------------------------------------

static json hello() {
    json ops = json::array();
    for (auto& [name, op] : OPS) ops.push_back(name);
    for (auto& [name, op] : IN_PLACE) ops.push_back(name);
    return {{"protocol", 1},
            {"name", "libtorch"},
            {"version", TORCH_VERSION},
            {"verbs", {"hello", "run"}},
            {"capabilities",
             {"allow_unused", "autograd_grad", "backward_many", "bare_gradient", "clip_grad_norm", "clip_grad_value", "constants",
              "create_graph", "detach", "detach_inplace", "enable_grad", "grad_roots", "gradient_argument", "gradient_lists",
              "hook_removal", "inplace", "inputs", "is_grad_enabled", "is_leaf", "no_grad", "optimizer", "order", "register_hook", "requires_grad", "retain_grad",
              "retain_graph", "retains_grad", "same_object", "set_grad", "set_requires_grad", "shares_memory", "stored", "ties",
              "views", "zero_grad"}},
            {"ops", ops},
            {"dtypes", {"float64", "float32", "complex128", "int64", "bool"}}};
}

int main() {
    torch::set_num_threads(1);
    std::ios::sync_with_stdio(false);
    for (std::string line; std::getline(std::cin, line);) {
        auto request = json::parse(line);
        auto say = [&](json answer) {
            answer["id"] = request["id"];
            std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << "\n" << std::flush;
        };
        auto verb = request["verb"].get<std::string>();
        if (verb == "hello") say({{"result", hello()}});
        else if (verb == "run")
            for (auto& program : request["programs"]) {
                Run run;
                json trace;
                try {
                    trace = run.trace(program);
                } catch (const std::exception& error) {  // a look that raises
                    trace = {{"error", error_out(error)}};
                }
                say({{"result", trace}});
            }
        else say({{"error", {{"class", "UnknownVerb"}, {"text", "this harness has no verb " + verb}}}});
    }
}
