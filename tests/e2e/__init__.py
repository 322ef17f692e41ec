"""The whole app in processes of its own, from the checkout or from the package. Single modules are tested elsewhere."""
