"""Images and masks: decoding, encoding, what mask values mean."""
