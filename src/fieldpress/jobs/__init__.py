"""Work in several processes at a time: what a job is, what a worker process does with it, and who gives it out."""

from fieldpress.jobs.base import Job, Report
from fieldpress.jobs.scheduler import JobsProgress, run_jobs

__all__ = ["Job", "JobsProgress", "Report", "run_jobs"]
