import { watch } from 'chokidar'

/** What a watch calls. */
export interface FileWatchOptions {
  /** Something changed, even if it looks untouched. May be called for nothing, and not be called for something. */
  onChange(): void
  /** Something stirred in the neighbourhood. */
  onStir(): void
  /** The watch stands: changes from before may have gone unseen. */
  onReady(): void
  onError(error: unknown): void
}

/** Hints about changes of a path, there or not. */
export interface FileWatch extends AsyncDisposable {
  /** Watches what the path leads to now. A watch stays with the folder it began with: one that was recreated, or that a symlink
   *  no longer leads to. */
  reopen(): void
}

/** Begins to watch a file, or a folder without what is below it. Does not keep the process alive. */
export function openFileWatch(path: string, options: FileWatchOptions): FileWatch {
  const open = () =>
    watch(path, { depth: 0, ignoreInitial: true, atomic: false, persistent: false, ignorePermissionErrors: true })
      .on('all', options.onChange)
      // Chokidar keeps changes to itself that leave size and modification time as they were.
      .on('raw', options.onStir)
      .on('ready', options.onReady)
      .on('error', options.onError)
  let watcher = open()
  return {
    reopen() {
      const old = watcher
      watcher = open()
      void old.close()
    },
    async [Symbol.asyncDispose]() {
      await watcher.close()
    },
  }
}
