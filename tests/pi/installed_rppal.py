"""The registers inside the sandbox."""


def rppal(unit):
    return ""
