"""Export of a run as one file for other programs, ONNX or StableHLO.

The file maps sRGB in [0, 1] to sRGB in [0, 1], float32 [b h w 3], for any b, h and w.
It contains the whole colorizer except the resizing: the network sees the picture at the
size of the input. It works best if the short side is the one that it was trained on.
"""
