"""What every component shares: how to speak to the API server and how to look at objects.

May live here: the API client, informers, work queues, event recording, selectors, pure functions on objects.
May not: anything that only one component needs, and any import of a component.
"""
