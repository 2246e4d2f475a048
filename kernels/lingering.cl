/* Stay awake until the host has enqueued more (backends/opencl/lingering.py).
 *
 *   linger   launch number n, counted in counts[group], ends when the host has set ended[0] to n or more, at the latest after POLLS looks at it
 *
 * Grid: (threads that shall not sleep). Group: one item.   Memory: counts, an int a group; ended, which host and device see at any time.
 * Defines: those of prelude.h; POLLS.
 */
#include "prelude.h"

KERNEL void linger(GLOBAL unsigned int* counts, GLOBAL const unsigned int* ended)
{
    volatile GLOBAL const unsigned int* said = ended;
    const unsigned int number = counts[GROUP_ID(0)] + 1;
    counts[GROUP_ID(0)] = number;
    /* Counts begin anew at 2^32: the difference tells which is ahead. */
    for (int poll = 0; poll < POLLS && (int)(said[0] - number) < 0; ++poll) {
    }
}
