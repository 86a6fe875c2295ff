"""Networks for every pixel: segmentation and detection over a backbone of another family."""
