"""datatrove's executors, as groundup uses them: quiet, blocking, and told by the runner alone which tasks to run."""
