"""One picture, a part of it, more pixels, more pictures: a field is asked only for what is wanted.

Run `python examples/01_encode_decode.py` once, then `python examples/02_random_access.py`.
"""

import fieldpress
from fieldpress.sinks import write_pictures

clip = fieldpress.open("build/example.fpr")
height, width = clip.signal.height, clip.signal.width
middle = len(clip) // 2

picture = clip[middle]  # uint8 (height, width, 3); the pictures before it are not rendered
print("one picture:", picture.shape, "mean colour", picture.mean((0, 1)).round().tolist())

# The middle quarter of that picture at four times the scale: asked at more places, not enlarged afterwards.
zoom = clip.view(slice(middle, middle + 1), scale=4, crop=(width // 4, height // 4, width // 2, height // 2))
write_pictures("build/zoom.png", clip.pictures(zoom), count=1, force=True)
print(f"build/zoom.png: {4 * (width // 2)}x{4 * (height // 2)}")

# Four pictures where the clip has one; `positions` says where they lie between the clip's own.
slow = clip.view(slice(0, middle), time_scale=4)
write_pictures("build/slow.mp4", clip.pictures(slow), count=len(slow.positions), force=True)
print("build/slow.mp4: pictures at", ", ".join(str(float(position)) for position in slow.positions[:6]), "...")
