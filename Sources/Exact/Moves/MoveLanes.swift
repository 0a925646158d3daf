import CKernels
import Diffusion
import ModelSpace

/// How draws stand in the lanes of the moves' kernel (`moves.h`): by number of sticks in groups, a group in blocks of
/// 16 lanes.
///
/// Draws that move together must not be each other's partners. Where the other blocks of its group hold enough of the
/// same kind of diffusivity a block has those; elsewhere its even and its odd draws evolve in turn and may also choose
/// from one another. Within a group draws of one noise and of one kind of diffusivity stand together: blocks without
/// Rician noise or spread are cheaper. What 16 leave over shares lanes by parts of the measurements.
struct MoveLanes {
    struct Block {
        /// First lane, log₂ of the parts of the measurements, draws.
        var start: Int, split: Int, draws: Int, halves = false
        /// Ranges of `partners`, of the halves, without spread and with.
        var choices: [Range<Int>] = []
    }
    /// L lanes: the draw that each holds, its kind.
    private(set) var draw: [Int] = [], kind: [UInt8] = []
    /// Lists of lanes, counted within their group.
    private(set) var partners: [Int32] = []
    /// By number of sticks.
    private(set) var groups: [[Block]] = [[], [], [], []]
    static let size = 16
    /// With fewer partners to choose from a draw walks; with fewer in other blocks a block moves in halves.
    static let fewest = 3, enough = 6

    init(_ structures: [Structure]) {
        draw.reserveCapacity(structures.count + 4 * Self.size)
        kind.reserveCapacity(draw.capacity)
        partners.reserveCapacity(8 * draw.capacity)
        // Either bit changes as rarely as it can.
        let kinds = [PK_MOVE_RICIAN, PK_MOVE_RICIAN | PK_MOVE_SPREAD, PK_MOVE_SPREAD, 0]
        var members = [[(draw: Int, kind: UInt8)]](repeating: [], count: 16)
        for (i, z) in structures.enumerated() {
            let k = (BallSticks.hasSpread(z) ? PK_MOVE_SPREAD : 0) | (BallSticks.isRician(z) ? PK_MOVE_RICIAN : 0)
            members[4 * BallSticks.stickCount(z) + kinds.firstIndex(of: k)!].append((i, UInt8(k)))
        }
        for n in 0...3 { place(n, Array(members[4 * n..<4 * n + 4].joined())) }
    }

    private mutating func place(_ n: Int, _ members: [(draw: Int, kind: UInt8)]) {
        let size = Self.size
        for from in stride(from: 0, to: members.count, by: size) {
            let draws = min(size, members.count - from)
            var block = Block(start: draw.count, split: 0, draws: draws)
            while size >> (block.split + 1) >= draws { block.split += 1 }
            for lane in 0..<size {
                let own = lane & (size >> block.split - 1), member = members[from + min(own, draws - 1)]
                draw.append(member.draw)
                kind.append(member.kind | UInt8(lane < draws ? 0 : PK_MOVE_PADDING))
            }
            groups[n].append(block)
        }
        for b in groups[n].indices { choose(n, b, isAlone: members.count <= Self.fewest) }
    }

    func hasSpread(_ lane: Int) -> Bool { Int(kind[lane]) & PK_MOVE_SPREAD != 0 }

    private mutating func choose(_ n: Int, _ b: Int, isAlone: Bool) {
        let blocks = groups[n], block = blocks[b], own = block.start..<block.start + block.draws
        var outside = [0, 0], inside = [0, 0]
        for other in blocks {
            for lane in other.start..<other.start + other.draws {
                if other.start == block.start {
                    inside[hasSpread(lane) ? 1 : 0] += 1
                } else {
                    outside[hasSpread(lane) ? 1 : 0] += 1
                }
            }
        }
        let halves = !isAlone && (0...1).contains { inside[$0] > 0 && outside[$0] < Self.enough }
        func list(_ half: Int, _ isFitting: (Int) -> Bool, _ into: inout [Int32]) {
            for other in blocks where other.start != block.start {
                for lane in other.start..<other.start + other.draws where isFitting(lane) {
                    into.append(Int32(lane - blocks[0].start))
                }
            }
            for lane in own where halves && (lane - block.start) & 1 != half && isFitting(lane) {
                into.append(Int32(lane - blocks[0].start))
            }
        }
        var choices: [Range<Int>] = []
        for half in 0...1 {
            for spread in [false, true] {
                var chosen: [Int32] = []
                if inside[spread ? 1 : 0] > 0 && (halves || half == 0) {
                    list(half, { hasSpread($0) == spread }, &chosen)
                    // Without spread any others will do.
                    if chosen.count < Self.fewest && !spread {
                        chosen = []
                        list(half, { _ in true }, &chosen)
                    }
                    if chosen.count < Self.fewest { chosen = [] }
                }
                choices.append(partners.count..<partners.count + chosen.count)
                partners += chosen
            }
        }
        groups[n][b].halves = halves
        groups[n][b].choices = choices
    }
}
