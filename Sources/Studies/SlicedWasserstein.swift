import Diffusion
import Foundation
import Inference
import ModelSpace

/// How far apart two sets of draws lie: the mean over random directions of the one-dimensional Wasserstein-1 distance
/// of their projections.
///
/// Draws are compared in coordinates that every structure has and that do not depend on how members of a group are
/// numbered (`DrawCoordinates`), each divided by its standard deviation over both sets, so that 1 means "as far as the
/// posterior is wide". Coordinates that do not vary count nothing.
/// - Source: Bonneel, Rabin, Peyré, Pfister, J. Math. Imaging Vis. 51 (2015) 22.
public struct SlicedWasserstein: Sendable {
    static let directionCount = 64

    /// Mean over directions of W1 between two sets of equally many points (rows).
    static func distance(_ a: [[Double]], _ b: [[Double]], using random: inout RandomSource) -> Double {
        precondition(a.count == b.count && !a.isEmpty)
        let n = Double(2 * a.count), width = a[0].count
        var scale = [Double](repeating: 0, count: width)
        for c in 0..<width {
            let values = (a + b).map { $0[c] }, mean = values.reduce(0, +) / n
            let sd = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
            scale[c] = sd > 1e-9 ? 1 / sd : 0
        }
        var total = 0.0
        for _ in 0..<directionCount {
            var direction = scale.map { _ in random.normal() }
            let norm = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for c in 0..<width { direction[c] *= scale[c] / norm }
            func project(_ rows: [[Double]]) -> [Double] {
                rows.map { row in zip(row, direction).reduce(0) { $0 + $1.0 * $1.1 } }.sorted()
            }
            total += zip(project(a), project(b)).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(a.count)
        }
        return total / Double(directionCount)
    }
}

/// Coordinates of a draw in which draws of any structures can be compared.
///
/// Logarithms of what is positive and always there; what may be absent as it is, 0 where it is absent (relative to its
/// base, where it has one); fractions, which fall within a group; and of what each member of a group has of its own Σ
/// f_k p_k, for an axis the six entries of Σ f_k μ_k μ_kᵀ (of a rotation those of its first and last axis).
struct DrawCoordinates: Sendable {
    private enum Source: Sendable {
        case logarithm(Int), plain(Int), ratio(Int, to: Int)
        /// Places of numbers, with those of the fractions that weigh them; nil for 1.
        case sum([(place: Int, weight: Int?)]), dyad([(axis: StudyAxis, weight: Int?)])
    }
    private var sources: [Source] = []

    init(_ family: StudyFamily) {
        let description = family.description, theta = family.theta
        var summed: Set<String> = []
        for entry in theta.entries {
            let p = entry.parameter, group = description.groups.first { $0.name == entry.group }
            func members() -> [(place: Int, weight: Int?)] {
                let own = group?.parameters.contains(p) == true,
                    weight = group?.parameters.first(where: \.isLinear)?.name
                return (0..<(own ? group!.most : 1)).compactMap { k in
                    theta.offset(of: p.name, in: entry.group, member: k).map { place in
                        (place, own ? weight.flatMap { theta.offset(of: $0, in: entry.group, member: k) } : nil)
                    }
                }
            }
            let isFirst = summed.insert(entry.group + "/" + p.name).inserted
            switch p.chart {
            case .axis where isFirst: sources.append(.dyad(members().map { (StudyAxis(place: $0.place), $0.weight) }))
            case .rotation where isFirst:
                for column in [0, 2] {
                    sources.append(.dyad(members().map { (StudyAxis(place: $0.place, column: column), $0.weight) }))
                }
            case .axis, .rotation, .fixed: break
            case .weight, .coefficient: sources.append(.plain(entry.offset))
            default:
                if let base = p.relativeTo.flatMap({ theta.offset(of: $0) }) {
                    sources.append(.ratio(entry.offset, to: base))
                } else if group == nil, p.isPositive {
                    sources.append(.logarithm(entry.offset))
                } else if let group, group.most > 1, !group.common.contains(p) {
                    if isFirst { sources.append(.sum(members())) }
                } else {
                    sources.append(.plain(entry.offset))
                }
            }
        }
    }

    func values(_ theta: UnsafePointer<Double>) -> [Double] {
        var row: [Double] = []
        for source in sources {
            switch source {
            case .logarithm(let i): row.append(log(theta[i]))
            case .plain(let i): row.append(theta[i])
            case let .ratio(i, base): row.append(theta[i] / theta[base])
            case .sum(let members):
                row.append(members.reduce(0) { $0 + theta[$1.place] * ($1.weight.map { theta[$0] } ?? 1) })
            case .dyad(let members):
                var dyad = SymmetricMatrix3()
                for member in members {
                    dyad.add(member.axis.direction(theta), weight: member.weight.map { theta[$0] } ?? 1)
                }
                row += [dyad.xx, dyad.xy, dyad.xz, dyad.yy, dyad.yz, dyad.zz]
            }
        }
        return row
    }
}

extension Parameter {
    /// Whether it has a logarithm wherever it is.
    fileprivate var isPositive: Bool {
        switch chart {
        case .logUniform, .scale: true
        default: false
        }
    }
}
