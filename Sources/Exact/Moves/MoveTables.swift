import CKernels
import Diffusion
import Foundation

/// An acquisition and one voxel's signals as the moves' kernel reads them: sorted by b, one measurement a row, and 2,
/// 4, 8 and 16 a row for blocks of few draws.
final class MoveTables {
    private let count: Int, order: [Int], shells: Int
    private let floats: UnsafeMutablePointer<Float>, shell: UnsafeMutablePointer<Int32>
    private(set) var tables: [pk_moves_table] = []
    /// Where each table's y lies.
    private var signals: [UnsafeMutablePointer<Float>] = []
    private let means: UnsafeMutablePointer<Float>

    init(_ acquisition: Acquisition) {
        let m = acquisition.count, b = acquisition.bValues.map(Float.init), size = MoveLanes.size
        let sorted = (0..<m).sorted { (b[$0], $0) < (b[$1], $1) }
        func rows(_ split: Int) -> Int { (m + (1 << split) - 1) >> split }
        let widths = [1, size, size, size, size], total = (0...4).reduce(0) { $0 + 5 * rows($1) * widths[$1] }
        let room = UnsafeMutablePointer<Float>.allocate(capacity: total + 3 * m)
        room.initialize(repeating: 0, count: total + 3 * m)
        shell = .allocate(capacity: 2 * m)
        var next = room
        for split in 0...4 {
            let n = rows(split), width = widths[split], length = n * width
            for j in 0..<n {
                for lane in 0..<width {
                    let i = sorted[min(m - 1, j << split + lane >> (4 - split))], g = acquisition.directions[i]
                    next[j * width + lane] = b[i]
                    (next[length + j * width + lane], next[2 * length + j * width + lane]) = (Float(g.x), Float(g.y))
                    next[3 * length + j * width + lane] = Float(g.z)
                }
            }
            var table = pk_moves_table()
            (table.rows, table.shells, table.last) = (n, n, Int32(m - (n - 1) << split))
            (table.b, table.gx, table.gy) = (
                UnsafePointer(next), UnsafePointer(next + length), UnsafePointer(next + 2 * length)
            )
            (table.gz, table.y) = (UnsafePointer(next + 3 * length), UnsafePointer(next + 4 * length))
            (table.shell_b, table.shell) = (table.b, UnsafePointer(shell + m))
            signals.append(next + 4 * length)
            tables.append(table)
            next += 5 * length
        }
        // Rows of one measurement share shells.
        let shellB = next
        var found = 0
        for j in 0..<m {
            if j == 0 || tables[0].b[j] != shellB[found - 1] { shellB[found] = tables[0].b[j]; found += 1 }
            shell[j] = Int32(found - 1)
            shell[m + j] = Int32(j)
        }
        means = next + m
        tables[0].shells = found
        (tables[0].shell_b, tables[0].shell) = (UnsafePointer(shellB), UnsafePointer(shell))
        (tables[0].shell_mean, tables[0].shell_count) = (UnsafePointer(means), UnsafePointer(means + m))
        for j in 0..<m { means[m + Int(shell[j])] += 1 }
        (count, order, shells, floats) = (m, sorted, found, room)
    }

    deinit {
        floats.deallocate()
        shell.deallocate()
    }

    /// Puts a voxel's signals into the tables of the splits in use.
    func load(_ y: UnsafePointer<Float>, splits: Set<Int>) {
        let m = count
        for i in 0..<m { signals[0][i] = y[order[i]] }
        for split in 1...4 where splits.contains(split) {
            for j in 0..<tables[split].rows {
                for lane in 0..<16 {
                    signals[split][16 * j + lane] = signals[0][min(m - 1, j << split + lane >> (4 - split))]
                }
            }
        }
        var squares = 0.0, from = 0
        for k in 0..<shells {
            let n = Int(means[m + k])
            var sum = 0.0
            for i in from..<from + n { sum += Double(signals[0][i]) }
            means[k] = Float(sum / Double(n))
            for i in from..<from + n { let r = Double(signals[0][i] - means[k]); squares += r * r }
            // About the mean in single precision, whose own rounding is nothing beside the signals'.
            from += n
        }
        tables[0].within = squares
    }
}
