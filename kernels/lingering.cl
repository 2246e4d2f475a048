/* Stay awake until the host has enqueued more (backends/opencl/lingering.py).
 *
 *   linger   ends when the host has set ended[0] to `number` or more, at the latest after POLLS looks at it
 *
 * Counts begin anew at 2^32: their difference tells which is ahead.
 * Grid: (threads that shall not sleep). Group: one item.   Memory: ended, which host and device see at any time.
 * Defines: those of prelude.h; POLLS.
 */
#include "prelude.h"

KERNEL void linger(int number, GLOBAL const int* ended)
{
    volatile GLOBAL const int* said = ended;
    for (int poll = 0; poll < POLLS && (int)((unsigned int)said[0] - (unsigned int)number) < 0; ++poll) {
    }
}
