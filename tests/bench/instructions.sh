# shellcheck shell=bash
# What `bench instructions` needs beside the laboratory; read by run_bench of firmware/setup/laboratory.sh.

bench_packages() { echo valgrind; }
