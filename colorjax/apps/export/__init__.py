"""A run as one file for other programs: `colorizing`, `stablehlo`, `onnx_file`.

Such a file takes sRGB in [0, 1] and gives sRGB in [0, 1], float32 [b h w 3] of any b, h
and w. All of the colorizer is inside but the resizing: the net sees the picture at the
size it is given in, and is at its best with the short side that it was trained on.
"""
