import Foundation
import Inference
import Volumes

/// The ways in which outputs can fail before a file is begun.
public enum ReportingError: Error, Equatable, CustomStringConvertible {
    case gridMismatch(directory: String, archive: [Int], image: [Int])
    case noVoxels(directory: String)
    case cannotCreate(path: String, reason: String)

    public var description: String {
        switch self {
        case let .gridMismatch(directory, archive, image):
            "\(directory): the fit is of an image of \(archive) voxels but the geometry given has \(image); use the image that was fitted"
        case let .noVoxels(directory): "\(directory): the fit holds no voxel; check the mask and fit again"
        case let .cannotCreate(path, reason): "\(path): cannot be created: \(reason); check that the place exists and may be written to"
        }
    }
}

extension ReportingError: LocalizedError {
    public var errorDescription: String? { description }
}

/// One file to be written, independent of all others, so that files can be computed and compressed in parallel.
struct OutputJob: Sendable {
    var path: String
    /// Volumes to write: long jobs start first.
    var cost: Int
    var body: @Sendable () throws -> Void

    static func run(_ jobs: [OutputJob], threads: Int, progress: @escaping @Sendable (_ done: Int, _ of: Int) -> Void) throws {
        let ordered = jobs.enumerated().sorted { ($1.element.cost, $0.offset) < ($0.element.cost, $1.offset) }.map(\.element)
        let counter = ProgressCounter(total: ordered.reduce(0) { $0 + $1.cost }, report: progress)
        try forEachInParallel(ordered.count, threads: threads) { i in
            try ordered[i].body()
            counter.add(ordered[i].cost)
        }
    }
}

/// Adds up finished work from several threads.
private final class ProgressCounter: @unchecked Sendable {
    private let lock = NSLock()
    private var done = 0
    private let total: Int
    private let report: @Sendable (Int, Int) -> Void

    init(total: Int, report: @escaping @Sendable (Int, Int) -> Void) {
        self.total = total
        self.report = report
    }

    func add(_ work: Int) {
        lock.lock()
        defer { lock.unlock() }
        done += work
        report(done, total)
    }
}

/// The value, or 0 for infinities and NaN.
@inline(__always)
private func finite(_ x: Float) -> Float { x.isFinite ? x : 0 }

/// Everything that the writers of one fit share.
struct OutputContext: Sendable {
    var archive: PosteriorArchive
    var summary: PosteriorSummary
    var mask: Mask
    var directory: String
    var provenance: FitProvenance
    /// Fibres whose mean fraction is smaller are left out of peaks and fixels: what FSL's users know as thr0.05.
    var fractionThreshold: Float = 0.05

    var geometry: VolumeGeometry { mask.geometry }
    /// K, D and S.
    var fibres: Int { DrawColumn.fibreCount }
    var drawCount: Int { summary.metadata.drawCount }
    var sampleCount: Int { summary.metadata.sampleCount }

    /// A map whose volume t is filled by `values(t, buffer)`, one number a voxel. Values that are not finite become 0.
    func map(
        _ name: String, trailing: [Int] = [], values: @escaping @Sendable (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: trailing.reduce(1, *)) {
            try VolumeWriter.write(path, mask: mask, trailing: trailing, as: Float.self, description: provenance.shortDescription) { t, buffer in
                try values(t, buffer)
                for v in buffer.indices { buffer[v] = finite(buffer[v]) }
            }
        }
    }

    /// A map whose volumes are columns of the summary.
    func map(_ name: String, _ columns: [SummaryColumn]) -> OutputJob {
        map(name, trailing: columns.count == 1 ? [] : [columns.count]) { t, buffer in copy(columns[t], buffer) }
    }

    /// A map of small whole numbers.
    func bytes(_ name: String, _ value: @escaping @Sendable (Int) -> UInt8) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: 1) {
            try VolumeWriter.write(path, mask: mask, as: UInt8.self, description: provenance.shortDescription) { _, buffer in
                for v in buffer.indices { buffer[v] = value(v) }
            }
        }
    }

    /// A small text file, replaced as a whole.
    func text(_ name: String, _ text: String) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: 0) { try write(Data(text.utf8), to: path) }
    }

    func copy(_ column: SummaryColumn, _ buffer: UnsafeMutableBufferPointer<Float>) {
        summary.column(column).withUnsafeBufferPointer { source in
            for v in buffer.indices { buffer[v] = source[v] }
        }
    }

    /// Calls `body(v, x, y, z, f)` with the mean axis (scanner frame) and mean fraction of a fibre in every voxel.
    func forEachAxis(_ fibre: Int, _ body: (_ v: Int, _ axis: SIMD3<Float>, _ fraction: Float) -> Void) {
        let x = summary.column(.direction(fibre, axis: 0)), y = summary.column(.direction(fibre, axis: 1))
        let z = summary.column(.direction(fibre, axis: 2)), f = summary.column(.statistic(.fraction(fibre), .mean))
        x.withUnsafeBufferPointer { x in
            y.withUnsafeBufferPointer { y in
                z.withUnsafeBufferPointer { z in
                    f.withUnsafeBufferPointer { f in
                        for v in 0..<summary.count { body(v, SIMD3(x[v], y[v], z[v]), f[v]) }
                    }
                }
            }
        }
    }

    /// A map of one number of a fibre in each of the S equally weighted draws, along the fourth axis; 0 where the draw lacks the fibre.
    ///
    /// The archive keeps a voxel's draws together and a file keeps a draw's voxels together: sixteen draws at once are read, not one.
    func drawMap(_ name: String, fibre: Int, value: @escaping @Sendable (_ axis: SIMD3<Float>, _ fraction: Float) -> Float) -> OutputJob {
        let step = 16, path = directory + "/" + name
        return OutputJob(path: path, cost: sampleCount) {
            var block: [Float] = []
            try VolumeWriter.write(path, mask: mask, trailing: [sampleCount], as: Float.self, description: provenance.shortDescription) { t, buffer in
                let n = buffer.count
                if t % step == 0 {
                    block = Array(repeating: 0, count: step * n)
                    block.withUnsafeMutableBufferPointer { block in
                        forEachDraw(fibre, t..<min(t + step, sampleCount)) { v, s, axis, fraction in block[(s - t) * n + v] = value(axis, fraction) }
                    }
                }
                block.withUnsafeBufferPointer { block in
                    for v in buffer.indices { buffer[v] = finite(block[t % step * n + v]) }
                }
            }
        }
    }

    /// Calls `body(v, s, axis, f)` for those of the given equally weighted draws that have a fibre, in every voxel.
    func forEachDraw(_ fibre: Int, _ samples: Range<Int>, _ body: (_ v: Int, _ s: Int, _ axis: SIMD3<Float>, _ fraction: Float) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: drawCount * DrawColumn.count) { draws in
            for shard in archive.shards where shard.count > 0 {
                for i in 0..<shard.count {
                    let v = shard.first + i
                    // Chosen draws rise with s.
                    let first = summary.draw(v, samples.lowerBound), last = summary.draw(v, samples.upperBound - 1)
                    let start = shard.draws.start + (i * drawCount + first) * DrawColumn.count
                    HalfPrecision.decode(start, draws.baseAddress!, count: (last - first + 1) * DrawColumn.count)
                    for s in samples {
                        let d = summary.draw(v, s)
                        guard let j = summary.assignments[v * drawCount + d].stick(fibre) else { continue }
                        let draw = draws.baseAddress! + (d - first) * DrawColumn.count, mu = draw + DrawColumn.direction + 3 * j
                        body(v, s, SIMD3(mu[0], mu[1], mu[2]), draw[DrawColumn.fraction + j])
                    }
                }
            }
        }
    }
}

/// Writes a file under a temporary name and renames it.
func write(_ data: Data, to path: String) throws {
    do {
        try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
        throw ReportingError.cannotCreate(path: path, reason: error.localizedDescription)
    }
}
