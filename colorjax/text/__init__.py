"""Words: what a sentence asks (`parse`), the words of colors (`vocabulary`,
`color_words`), and what a network reads (`encoders`)."""
