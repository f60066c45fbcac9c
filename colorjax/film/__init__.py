"""Films as files, through PyAV: `reading` them, `writing` them."""
