"""What each page's exercises check, one module a page."""

from kubechaos_helpers.course.exercises import page_00, page_01, page_02, page_03, page_04, page_05, page_06

__all__ = ["page_00", "page_01", "page_02", "page_03", "page_04", "page_05", "page_06"]
