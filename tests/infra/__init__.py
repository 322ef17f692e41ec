"""Tests of infra/ and .github/: templates, alert queries, workflows, and the commands around a deployment.

Azure itself is faked (fakes.py). The running app is tested in tests/e2e/.
"""
