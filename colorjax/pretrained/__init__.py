"""Published weights: a reader that runs none of their code, and nets they fit."""
