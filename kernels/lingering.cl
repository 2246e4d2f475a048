/* Stay awake until the host has enqueued more (backends/opencl/lingering.py).
 *
 *   linger   launch number n, which counts[1 + group] counts, ends when the host has set counts[0] to n or more, at the latest after POLLS looks
 *
 * Counts begin anew at 2^32: their difference tells which is ahead.
 * Grid: (threads that shall not sleep). Group: one item.   Memory: counts, which host and device see at any time.
 * Defines: those of prelude.h; POLLS.
 */
#include "prelude.h"

KERNEL void linger(GLOBAL unsigned int* counts)
{
    volatile GLOBAL const unsigned int* ended = counts;
    const unsigned int number = counts[1 + GROUP_ID(0)] + 1;
    counts[1 + GROUP_ID(0)] = number;
    for (int poll = 0; poll < POLLS && (int)(ended[0] - number) < 0; ++poll) {
    }
}
