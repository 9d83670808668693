import { close, constants, fstatSync, openSync } from 'node:fs'

/** A descriptor for stdout or stderr on which a reader that does not read holds up nobody, where the system has one.
 *
 *  A pipe or terminal is opened a second time, because non-blocking is a property that everyone who inherited the first
 *  opening would share. Files never block; a socket, and a pipe that belongs to someone else, cannot be reopened. */
export function openStandardFd(fd: 1 | 2): number {
  try {
    const kind = fstatSync(fd)
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return fd
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}

/** Closes a descriptor, unless it is one of the three that are not ours to close. */
export function closeFd(fd: number): void {
  if (fd > 2) close(fd, () => {})
}
