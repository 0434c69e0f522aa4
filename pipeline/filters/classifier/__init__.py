"""The quality classifier: a linear model over hashed words and pairs of words, trained on documents that somebody
calls good and documents as the web has them.
"""
