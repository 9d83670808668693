/** Gives each key that is pressed to `press`, as the terminal sends it, until disposed; does nothing where there is none. */
export function openKeys(press: (key: string) => void): Disposable {
  const { stdin } = process
  if (!stdin.isTTY) return { [Symbol.dispose]() {} }
  const onData = (bytes: Buffer) => press(bytes.toString('latin1'))
  stdin.setRawMode(true)
  stdin.on('data', onData).resume()
  return {
    [Symbol.dispose]() {
      stdin.off('data', onData).pause()
      stdin.setRawMode(false)
    },
  }
}
