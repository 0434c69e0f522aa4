"""What makes files of the product: weights of the extractor, lists of stop words."""
