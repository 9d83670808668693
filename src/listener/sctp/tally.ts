/** What became of packets; each one that was received is counted once under one of the first names. */
export interface Tally {
  /** Passed on. */
  fromClient: number
  fromEndpoint: number
  /** Neither to a listener nor to an association of ours: somebody else's. */
  ignored: number
  /** Not SCTP, or not as it must be; dropped. */
  malformed: number
  /** A checksum that is wrong where it had to be right. */
  damaged: number
  /** A verification tag that is not the association's (RFC 9260, 8.5). */
  wrongTag: number
  /** An INIT or INIT ACK that makes no sense in the association's state. */
  outOfState: number
  /** INITs that there was no room for. */
  overLimit: number
  /** Associations begun by an INIT. */
  begun: number
  /** Packets of no association, answered as RFC 9260, 8.4, says, or as a draining proxy answers an INIT; and those that need no
   *  answer. */
  outOfTheBlue: number
  unanswered: number
  /** Packets of an association that we ended. */
  afterCut: number
  /** An endpoint's ABORT to an INIT, for which another endpoint was tried. */
  turnedDown: number

  // Beside the above:

  /** INITs that were answered with ABORT, because the policy or a draining proxy refused them, at once or in the end. */
  refused: number
  /** INITs that were sent to one more endpoint. */
  replayed: number
  /** Associations that one side began anew. */
  restarted: number
}

/** A tally of nothing. */
export function createTally(): Tally {
  return {
    fromClient: 0,
    fromEndpoint: 0,
    ignored: 0,
    malformed: 0,
    damaged: 0,
    wrongTag: 0,
    outOfState: 0,
    overLimit: 0,
    begun: 0,
    outOfTheBlue: 0,
    unanswered: 0,
    afterCut: 0,
    turnedDown: 0,
    refused: 0,
    replayed: 0,
    restarted: 0,
  }
}
