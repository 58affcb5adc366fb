"""What each page's exercises check, one module a page."""

from kubechaos_helpers.course.exercises import page_02, page_03, page_04

__all__ = ["page_02", "page_03", "page_04"]
