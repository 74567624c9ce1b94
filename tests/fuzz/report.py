"""The page of a run."""


def page(found, seed):
    return ""
