"""The offline half: from labelled tweets to a model folder that `sentiment` loads. Nothing here is deployed."""
