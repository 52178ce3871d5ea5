// How a gateway's memory allocator is to be set before its process starts (docs/performance.md, "Resident memory"). bin/pincer.js holds the
// same values and would start itself once more to have them; whoever starts a gateway with them spares it that.

/** For glibc; elsewhere nobody reads them. */
export const DAEMON_MEMORY: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "8192",
  MALLOC_TRIM_THRESHOLD_: "1048576",
  MALLOC_TOP_PAD_: "131072",
}
