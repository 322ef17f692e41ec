"""What is deployed and how: the Bicep templates, alerts and queries, the package, and the commands around a deployment.

The app does not import this package, and nothing here runs in Azure.
"""
