import type { KernelFiles } from '../lib/kernel-files.ts'

/** One place that was looked at, and what was found there. */
export interface IpvsTrace {
  readonly place: string
  readonly found: string
}

/** Whether the kernel's own balancer can be used on this machine, and how that is known. */
export interface IpvsFinding {
  readonly works: boolean
  /** One line that says it. */
  readonly reason: string
  readonly looked: readonly IpvsTrace[]
}

interface Look extends IpvsTrace {
  readonly works: boolean
}

/** Looks for IPVS: its table in `/proc`, the modules that are loaded, and those that the running kernel has or could load.
 *  A module on disk counts, for whoever asks the kernel for IPVS makes it load it. */
export function findIpvs(files: KernelFiles): IpvsFinding {
  const release = files.text('/proc/sys/kernel/osrelease')?.trim()
  const looked = [lookAtTable(files), lookAtLoaded(files), ...(release ? lookAtInstalled(files, release) : [])]
  const proof = looked.find(({ works }) => works)
  const reason = proof ? `${proof.place}: ${proof.found}` : 'no table of it, and no module'
  return { works: proof !== undefined, reason, looked: looked.map(({ place, found }) => ({ place, found })) }
}

function lookAtTable(files: KernelFiles): Look {
  const place = '/proc/net/ip_vs'
  if (!files.has(place)) return { place, works: false, found: 'not there' }
  const servers = files.text(place)?.match(/^(?:TCP|UDP|SCTP|FWM)\b/gm)?.length
  return { place, works: true, found: servers === undefined ? 'there' : `there, with ${servers} virtual servers` }
}

function lookAtLoaded(files: KernelFiles): Look {
  const place = '/proc/modules'
  const text = files.text(place)
  if (text === undefined) return { place, works: false, found: 'not there: the kernel has no modules, or hides them' }
  const works = /^ip_vs /m.test(text)
  return { place, works, found: works ? 'ip_vs is loaded' : 'ip_vs is not loaded' }
}

/** The kernel's own lists of what it was built with, and of what it can load. */
function lookAtInstalled(files: KernelFiles, release: string): Look[] {
  const folder = `/lib/modules/${release}`
  const builtIn = hasModule(files.text(`${folder}/modules.builtin`))
  const onDisk = hasModule(files.text(`${folder}/modules.dep`))
  const mayLoad = files.text('/proc/sys/kernel/modules_disabled')?.trim() !== '1'
  return [
    { place: `${folder}/modules.builtin`, works: builtIn === true, found: foundIn(builtIn, 'ip_vs is built in') },
    {
      place: `${folder}/modules.dep`,
      works: onDisk === true && mayLoad,
      found: foundIn(onDisk, mayLoad ? 'ip_vs can be loaded' : 'ip_vs is there, but loading modules is switched off'),
    },
  ]
}

function hasModule(list: string | undefined): boolean | undefined {
  return list === undefined ? undefined : /(?:^|\/)ip_vs\.ko(?:\.\w+)?(?:$|:)/m.test(list)
}

function foundIn(has: boolean | undefined, yes: string): string {
  return has === undefined ? 'not there' : has ? yes : 'no ip_vs'
}
