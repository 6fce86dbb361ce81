"""Many processes at once: one computes, the others get it; a child uses what its parent had."""

import multiprocessing
import os
import shutil
import signal
import time

import pytest

SLOW = """
    import percache, sys, time, os
    cache = percache.Cache("c")
    @cache
    def f(x):
        print("computing", flush=True)
        time.sleep(float(sys.argv[1]))
        return x
    print(f(1))
"""


def test_of_many_processes_one_computes(program):
    program.write("slow.py", SLOW)
    processes = [program.start("slow.py", "1") for _ in range(4)]
    outs = [process.communicate(timeout=60)[0] for process in processes]
    assert sorted(outs) == ["1\n"] * 3 + ["computing\n1\n"]


def test_when_the_computing_process_is_killed_another_one_goes_on(program):
    program.write("slow.py", SLOW)
    first = program.start("slow.py", "30")
    assert first.stdout.readline() == "computing\n"
    others = [program.start("slow.py", "0.2") for _ in range(3)]
    time.sleep(1)
    first.kill()
    outs = [process.communicate(timeout=60)[0] for process in others]
    assert sorted(outs) == ["1\n"] * 2 + ["computing\n1\n"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_a_stopped_process_is_not_waited_for(program):
    program.write("slow.py", SLOW)
    first = program.start("slow.py", "30")
    assert first.stdout.readline() == "computing\n"
    first.send_signal(signal.SIGSTOP)
    try:
        assert program.again("slow.py", "0") == "computing\n1"
    finally:
        first.kill()


def test_a_wait_says_for_whom_while_it_lasts(program):
    program.write("slow.py", SLOW)
    first = program.start("slow.py", "30")
    assert first.stdout.readline() == "computing\n"
    second = program.start("slow.py", "0")
    line = second.stderr.readline()
    assert f"process {first.pid}" in line or str(first.pid) in line, line
    first.kill()
    assert second.communicate(timeout=30)[0] == "computing\n1\n"


def test_wait_timeout_limits_a_wait(program):
    program.write("slow.py", SLOW.replace('Cache("c")', 'Cache("c", wait_timeout=float(sys.argv[2]))'))
    first = program.start("slow.py", "30", "60")
    assert first.stdout.readline() == "computing\n"
    assert program.again("slow.py", "0", "0.5") == "computing\n1"
    first.kill()


def test_what_one_process_clears_others_do_not_give_out(cache, ran, program):
    @cache
    def f(x):
        return ran(x)

    f(1)
    cache.sync()
    program.run(f"import percache\nprint(percache.Cache({cache.path!r}).clear())")
    time.sleep(0.2)
    f(1)
    assert len(ran) == 2


def test_a_relative_path_stays_the_same_when_the_program_changes_its_directory(program):
    text = """
        import os, percache
        cache = percache.Cache("c")
        os.mkdir("elsewhere") if not os.path.isdir("elsewhere") else None
        os.chdir("elsewhere")
        @cache
        def f(x):
            print("computed")
            return x
        f(1)
        print(sorted(os.listdir()))
    """
    assert program.run(text) == "computed\n[]"
    assert program.again() == "[]"


MULTIPROCESSING = """
    import multiprocessing, os, sys, time
    import percache

    cache = percache.Cache("c")

    @cache
    def f(x):
        with open("ran", "a") as file:
            file.write(f"{x}\\n")
        time.sleep(0.05)
        return x * x

    def main():
        f(0)
        context = multiprocessing.get_context(sys.argv[1])
        with context.Pool(4) as pool:
            print(pool.map(f, [0, 1, 2, 3] * 5, chunksize=1))
            pool.close()
            pool.join()
        print([f(x) for x in range(4)])

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_computes_each_result_once(program, method):
    out = program.run(MULTIPROCESSING, method)
    assert out == f"{[0, 1, 4, 9] * 5}\n[0, 1, 4, 9]"
    assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]
    assert program.again("program.py", method) == out
    assert len((program.path / "ran").read_text().split()) == 4, "nothing was lost at the end of a process"


def test_a_process_pool_executor_computes_each_result_once(program):
    text = MULTIPROCESSING.replace(
        "with context.Pool(4) as pool:", "with concurrent.futures.ProcessPoolExecutor(4, mp_context=context) as pool:"
    )
    text = text.replace("pool.map(f, [0, 1, 2, 3] * 5, chunksize=1)", "list(pool.map(f, [0, 1, 2, 3] * 5))")
    text = (
        text.replace("pool.close()", "pass")
        .replace("pool.join()", "pass")
        .replace("import multi", "import concurrent.futures, multi")
    )
    for method in multiprocessing.get_all_start_methods():
        shutil.rmtree(program.path / "c", ignore_errors=True)
        (program.path / "ran").unlink(missing_ok=True)
        assert program.run(text, method).endswith("[0, 1, 4, 9]")
        assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_uses_the_cache_and_its_parent_loses_nothing(program):
    text = """
        import os, percache, sys, threading, time
        cache = percache.Cache("c")
        @cache
        def f(x):
            print("computed", x, flush=True)
            return x
        f(1)
        child = os.fork()
        if child == 0:
            f(1), f(2)
            sys.exit()
        os.waitpid(child, 0)
        f(3)
    """
    # What the parent has not written yet is its own.
    assert sorted(set(program.run(text).split("\n"))) == ["computed 1", "computed 2", "computed 3"]
    assert program.again() == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_in_a_computation_leaves_both_a_result(program):
    text = """
        import os, percache, sys
        cache = percache.Cache("c")
        @cache
        def f(x):
            print("computed", flush=True)
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            return bool(pid) or x
        print(f(True))
    """
    assert sorted(program.run(text).split()) == ["True", "True", "computed"]
    assert program.again() == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_during_a_computation_does_not_hang(program):
    text = """
        import os, percache, sys, threading, time
        cache = percache.Cache("c")
        @cache
        def f(x):
            time.sleep(0.5)
            return x
        thread = threading.Thread(target=f, args=(1,))
        thread.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            print("child", f(1), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        thread.join()
        print("parent", f(1))
    """
    assert program.run(text) == "child 1\nparent 1"


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_workers_share_results(program, backend):
    pytest.importorskip("joblib")
    text = MULTIPROCESSING.replace("with context.Pool(4) as pool:", "import joblib\n        if True:")
    text = text.replace(
        "pool.map(f, [0, 1, 2, 3] * 5, chunksize=1)",
        "joblib.Parallel(4, backend=sys.argv[2])(joblib.delayed(f)(x) for x in [0, 1, 2, 3] * 5)",
    )
    text = text.replace("pool.close()", "pass").replace("pool.join()", "pass")
    assert program.run(text, "spawn", backend).endswith("[0, 1, 4, 9]")
    assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("scheduler", ["distributed", "processes", "threads"])
def test_dask_workers_share_results(program, scheduler):
    dask = pytest.importorskip("dask")
    if scheduler == "distributed":
        pytest.importorskip("distributed")
    assert dask.__version__
    text = f"""
        import dask, os, sys, time
        import percache

        cache = percache.Cache({str(program.path / "c")!r})

        @cache
        def f(x):
            with open({str(program.path / "ran")!r}, "a") as file:
                file.write(f"{{x}}\\n")
            time.sleep(0.05)
            return x * x

        def main(scheduler):
            calls = [0, 1, 2, 3] * 5
            if scheduler == "distributed":
                from dask.distributed import Client
                with Client(n_workers=2, threads_per_worker=2, dashboard_address=None) as client:
                    return client.gather(client.map(f, calls, pure=False))
            return list(dask.compute(*[dask.delayed(f)(x) for x in calls], scheduler=scheduler))

        if __name__ == "__main__":
            print(main(sys.argv[1]))
    """
    assert program.run(text, scheduler) == f"{[0, 1, 4, 9] * 5}"
    assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]
