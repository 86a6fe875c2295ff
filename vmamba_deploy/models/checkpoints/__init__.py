"""From a checkpoint file to a network: read, unwrap, rename, recognise, load strictly."""
