// All tests use one engine, and some of them clear its cache.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
