import Foundation
import Synchronization

/// A shard, or one part's share of it, while its voxels are fitted by whichever threads come.
///
/// Now and then the voxels finished since the last time are kept as a *piece*: a file like the shard's with fewer
/// voxels. A fit that is stopped, or killed, goes on from its pieces. When all voxels are there the file itself is
/// written, whose bytes tell nothing of pieces, and they are removed.
final class ShardInProgress: Sendable {
    /// The shard's number.
    let index: Int
    /// Ranks of its voxels, among all of the fit.
    let range: Range<Int>
    /// Whether the range is all of the shard; otherwise what is written in the end is a piece itself.
    private let isWhole: Bool
    private let metadata: PosteriorMetadata, directory: String, interval: Duration
    private static let mostPieces = 64

    private struct State: Sendable {
        var batch: PosteriorBatch
        /// Which voxels are finished, and which of them are in a file.
        var isDone: [Bool], isKept: [Bool]
        var left: Int
        /// When a piece was last written, or the first block begun.
        var last: ContinuousClock.Instant?
    }
    private let state: Mutex<State>
    /// Pieces in the folder all of whose voxels lie in the range, whether others reach into it (which stay), and
    /// whether the file itself is there. Held while files are written.
    private let files = Mutex<(pieces: [String], hasOthers: Bool, isWritten: Bool)>(([], false, false))

    /// - Parameters:
    ///   - voxels: image indices of the range's voxels.
    ///   - interval: least time between two pieces.
    init(
        index: Int, range: Range<Int>, isWhole: Bool, voxels: [Int32], metadata: PosteriorMetadata, directory: String,
        interval: Duration
    ) {
        (self.index, self.range, self.isWhole) = (index, range, isWhole)
        (self.metadata, self.directory, self.interval) = (metadata, directory, interval)
        let none = [Bool](repeating: false, count: voxels.count)
        state = Mutex(State(batch: PosteriorBatch(voxels: voxels), isDone: none, isKept: none, left: voxels.count))
    }

    /// Takes what a piece of this shard holds of the range.
    /// - Returns: false when a voxel of it is not one of the fit's.
    func adopt(_ piece: PosteriorShard, rank: (Int32) -> Int?) -> Bool {
        let held = PosteriorBatch(piece), ranks = held.voxels.map(rank)
        guard ranks.allSatisfy({ $0 != nil }) else { return false }
        state.withLock { s in
            for (i, r) in ranks.enumerated() where range.contains(r!) && !s.isDone[r! - range.lowerBound] {
                let at = r! - range.lowerBound
                s.batch.put(held, i, at: at)
                (s.isDone[at], s.isKept[at]) = (true, true)
                s.left -= 1
            }
        }
        files.withLock { f in
            if ranks.allSatisfy({ range.contains($0!) }) { f.pieces.append(piece.path) } else { f.hasOthers = true }
            if piece.path == directory + "/" + name && piece.count == range.count { f.isWritten = true }
        }
        return true
    }

    /// Runs of voxels, by rank, that are not finished; none longer than `longest`.
    func missing(longest: Int) -> [Range<Int>] {
        let isDone = state.withLock { $0.isDone }
        var runs: [Range<Int>] = [], start: Int?
        for i in 0...isDone.count {
            let isOpen = i < isDone.count && !isDone[i]
            if let first = start, !isOpen || i - first == longest {
                runs.append(range.lowerBound + first..<range.lowerBound + i)
                start = nil
            }
            if isOpen && start == nil { start = i }
        }
        return runs
    }

    /// Finished voxels.
    var doneCount: Int { state.withLock { range.count - $0.left } }
    var isWritten: Bool { files.withLock { $0.isWritten } }

    /// Says that work on the shard has begun: the time of its first piece counts from here.
    func begin() { state.withLock { if $0.last == nil { $0.last = .now } } }

    /// Takes the posteriors of voxels from rank `first` on, as far as they are finished; the last of them, or a while
    /// since the last piece, brings a file.
    func add(_ part: PosteriorBatch, where isDone: [Bool], first: Int) throws {
        let isTime = state.withLock { s -> Bool in
            for (i, at) in zip(isDone.indices, (first - range.lowerBound)...) where isDone[i] {
                s.batch.put(part, i, at: at)
                s.isDone[at] = true
                s.left -= 1
            }
            return s.left == 0 || isDue(s)
        }
        if isTime { try keep() }
    }

    /// Writes a piece if there is anything for it and the last was a while ago: for a clock to call, as the next voxel
    /// may be long in coming.
    func keepWhatIsDue() throws {
        if state.withLock({ s in isDue(s) && s.isDone != s.isKept }) { try keep() }
    }

    private func isDue(_ s: State) -> Bool { s.last.map { .now - $0 > interval } ?? true }

    /// Writes what is finished: the file itself when that is everything, otherwise a piece of what is in no file yet.
    func keep() throws {
        try files.withLock { f in
            guard !f.isWritten else { return }
            // A part whose voxels are all in pieces already is there: one of another part that holds more of them must
            // not be replaced.
            if !isWhole && state.withLock({ s in s.isKept.allSatisfy { $0 } }) {
                f.isWritten = true
                return
            }
            if let all = state.withLock({ $0.left == 0 ? $0.batch : nil }) {
                try PosteriorShard.write(
                    all, metadata: metadata, index: index, first: range.lowerBound, directory: directory,
                    isPiece: !isWhole)
                f.isWritten = true
                state.withLock { $0.batch = PosteriorBatch(voxels: []) }
                for path in f.pieces where path != directory + "/" + name { unlink(path) }
                return
            }
            let (fresh, places) = state.withLock { s -> (PosteriorBatch?, [Int]) in
                // When pieces have become many, one takes the place of all.
                let all = f.pieces.count >= Self.mostPieces && !f.hasOthers
                let places = s.isDone.indices.filter { s.isDone[$0] && (all || !s.isKept[$0]) }
                s.last = .now
                return (places.isEmpty ? nil : s.batch.selecting(places), places)
            }
            guard let fresh else { return }
            let first = range.lowerBound + places[0]
            try PosteriorShard.write(
                fresh, metadata: metadata, index: index, first: first, directory: directory, isPiece: true)
            state.withLock { s in for i in places { s.isKept[i] = true } }
            let path = directory + "/" + PosteriorShard.name(index, pieceFrom: first)
            if f.pieces.count >= Self.mostPieces && !f.hasOthers {
                for old in f.pieces where old != path { unlink(old) }
                f.pieces = []
            }
            f.pieces.append(path)
        }
    }

    private var name: String {
        isWhole ? PosteriorShard.name(index) : PosteriorShard.name(index, pieceFrom: range.lowerBound)
    }
}
