"""A clip as a function of time, row and column: a slit scan, which is a picture of one row over all time.

Run `python examples/01_encode_decode.py` once, then `python examples/04_coordinates.py`.
"""

import numpy as np
import torch

import fieldpress
from fieldpress.field import Points
from fieldpress.sinks import write_pictures

clip = fieldpress.open("build/example.fpr")

# Coordinates lie in [0, 1]; pixel i of n has its centre at (i + 0.5) / n. The three broadcast like arrays.
times, columns = np.linspace(0, 1, 400), np.linspace(0, 1, 600)
scan = clip.render(times[:, None], 0.5, columns)
write_pictures("build/slit_scan.png", iter([scan]), count=1, force=True)
print("build/slit_scan.png:", scan.shape)

# The field itself gives colours before rounding, for any list of places, and with gradients where they are wanted.
x = torch.linspace(0, 1, 600, requires_grad=True)
places = torch.stack([torch.full_like(x, 0.5), torch.full_like(x, 0.5), x], dim=1)  # rows of (t, y, x)
colours = clip.field(Points(places))  # (600, 3), about [0, 1]
(slope,) = torch.autograd.grad(colours.sum(), x)
print(f"the colour changes fastest along that row at x = {x[slope.abs().argmax()].item():.3f}")
