"""The whole app in processes of its own, from the checkout or from the package. One module alone is in the folder of its package."""
