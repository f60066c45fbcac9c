"""The colors that CSS names: `CSS_COLORS`."""

from PIL import ImageColor

CSS_COLORS = {
    name: value for name, value in ImageColor.colormap.items() if isinstance(value, str)
}
