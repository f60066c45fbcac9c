"""Published weights: readers that run none of their code, and the nets they fit."""
