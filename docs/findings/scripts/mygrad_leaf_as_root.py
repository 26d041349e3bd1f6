"""A backward from a leaf makes every graph useless in which the leaf takes part."""
# law: NONE-04
import mygrad as mg

x, y = mg.tensor(1.0), mg.tensor(2.0)
z = x + y
x.backward()
try:
    z.backward()
except mg.errors.InvalidBackprop:
    raise AssertionError("after x.backward() the graph of z = x + y is gone") from None
