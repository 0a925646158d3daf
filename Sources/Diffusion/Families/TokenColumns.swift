import Foundation
import ModelSpace

/// Where a composed family's parameters stand in a network's tokens: T tokens of Q coordinates.
///
/// The first token has whatever there is one of, each number in a column of its own; then comes a token for each
/// possible member of each group of several, in columns that come after: groups share those of parameters of the same
/// name. An axis takes six columns, a rotation twelve; weights stand last.
struct TokenColumns: Sendable {
    let tokens: Int, columns: Int
    /// Of each place of θ where a parameter begins: its first coordinate, token · Q + column.
    private let places: [Int: Int]
    /// Places in θ of the signal-to-noise ratio and s0.
    let snr: Int, s0: Int

    init(_ family: FamilyDescription, _ layout: ThetaLayout) {
        let several = Set(family.groups.filter { $0.most > 1 }.map(\.name))
        func isMembers(_ entry: ThetaLayout.Entry) -> Bool {
            several.contains(entry.group)
                && family.groups.first { $0.name == entry.group }!.parameters.contains {
                    $0.name == entry.parameter.name
                }
        }
        func width(_ parameter: Parameter) -> Int { Self.width(parameter) }
        func rank(_ parameter: Parameter) -> Int { parameter.isLinear ? 2 : width(parameter) > 1 ? 0 : 1 }
        var found: [(place: Int, token: Int, column: Int)] = [], used = 0
        let single = layout.entries.filter { !isMembers($0) }, members = layout.entries.filter(isMembers)
        for r in 0..<3 {
            for entry in single where rank(entry.parameter) == r && width(entry.parameter) > 0 {
                found.append((entry.offset, 0, used))
                used += width(entry.parameter)
            }
        }
        var firstToken: [String: Int] = [:], tokens = 1
        for group in family.groups where group.most > 1 {
            firstToken[group.name] = tokens
            tokens += group.most
        }
        struct Key: Hashable { var name: String, width: Int }
        var shared: [Key: Int] = [:]
        for r in 0..<3 {
            for entry in members where rank(entry.parameter) == r && width(entry.parameter) > 0 {
                let key = Key(name: entry.parameter.name, width: width(entry.parameter))
                if shared[key] == nil {
                    shared[key] = used
                    used += key.width
                }
                found.append((entry.offset, firstToken[entry.group]! + entry.member, shared[key]!))
            }
        }
        self.tokens = tokens
        columns = used
        places = Dictionary(uniqueKeysWithValues: found.map { ($0.place, $0.token * used + $0.column) })
        snr = layout.offset(of: "snr", in: family.noise.name)!
        s0 = layout.offset(of: "s0", in: family.noise.name)!
    }

    /// Coordinates that a parameter takes.
    static func width(_ parameter: Parameter) -> Int {
        switch parameter.chart {
        case .axis: 6
        case .rotation: 12
        case .fixed: 0
        default: 1
        }
    }

    var count: Int { tokens * columns }
    /// The first coordinate of the parameter that begins at a place of θ.
    func coordinate(_ place: Int) -> Int { places[place]! }
}

/// The coordinates that one structure has.
struct StructureCoordinates: Sendable {
    let mask: [Float]
    /// First coordinates of the layout's scalars, axes and rotations, in their order.
    let scalars: [Int], axes: [Int], rotations: [Int]
    let snr: Int, s0: Int
    /// Components whose weights have a coordinate, in order, each with its standardisation; what these leave is
    /// `rest`'s.
    let weights: [(component: Int, coordinate: Int, moments: (mean: Double, sd: Double))]
    let rest: Int

    init(
        _ columns: TokenColumns, _ signal: SignalLayout, _ family: FamilyDescription, _ layout: ThetaLayout,
        _ known: inout [[Int]: [(mean: Double, sd: Double)]]
    ) {
        scalars = signal.scalars.map { columns.coordinate($0.place) }
        axes = signal.axes.map { columns.coordinate($0.place) }
        rotations = signal.rotations.map { columns.coordinate($0.place) }
        (snr, s0) = (columns.coordinate(columns.snr), columns.coordinate(columns.s0))
        let taker = signal.components.firstIndex { $0.weight == nil }
        let rest = taker ?? signal.componentCount - 1
        self.rest = rest
        // Members in a row that are sorted, and how many there are besides.
        var runs: [Int] = [], group = ""
        for (k, component) in signal.components.enumerated() where k != taker {
            if component.group == group { runs[runs.count - 1] += 1 } else { runs.append(1) }
            group = component.group
        }
        let key = runs + [taker == nil ? 0 : -1]
        let moments = known[key] ?? Self.moments(runs, hasTaker: taker != nil)
        known[key] = moments
        weights = signal.components.indices.filter { $0 != rest }.enumerated().map { i, k in
            (k, columns.coordinate(signal.components[k].weight!), moments[i])
        }
        var mask = [Float](repeating: 0, count: columns.count)
        for (list, width) in [
            (scalars, 1), (axes, 6), (rotations, 12), (weights.map(\.coordinate), 1), ([snr, s0], 1),
        ] {
            for first in list { for c in 0..<width { mask[first + c] = 1 } }
        }
        self.mask = mask
    }

    /// Means and standard deviations under the prior of the logits of v_k = w_k/(1 − w_1 − … − w_(k−1)), w uniform on
    /// the simplex and then sorted within each run: by a fixed set of draws, which leave about 1 % (what is only a
    /// standardisation need not be exact, but always the same).
    private static func moments(_ runs: [Int], hasTaker: Bool) -> [(mean: Double, sd: Double)] {
        let draws = 8192, n = runs.reduce(0, +), count = hasTaker ? n : n - 1
        var random = RandomSource(seed: 0x4D4F4D454E5453), sum = [Double](repeating: 0, count: n), square = sum, w = sum
        for _ in 0..<draws {
            var rest = hasTaker ? random.exponential() : 0, first = 0
            for run in runs {
                for k in first..<first + run { w[k] = random.exponential(); rest += w[k] }
                if run > 1 { w[first..<first + run].sort(by: >) }
                first += run
            }
            for k in 0..<count {
                rest -= w[k]
                let logit = log(w[k] / max(rest, 1e-300))
                sum[k] += logit
                square[k] += logit * logit
            }
        }
        return (0..<count).map { k in
            let mean = sum[k] / Double(draws)
            return (mean, max(1e-3, square[k] / Double(draws) - mean * mean).squareRoot())
        }
    }
}

extension CompartmentFamily {
    /// Where what networks know of a smaller family stands in this one; nil where this one lacks something of it.
    public func places(of part: CompartmentFamily) -> CoordinatePlaces? {
        for group in part.description.allGroups {
            guard description.allGroups.contains(where: { $0.name == group.name && $0.bitNames == group.bitNames })
            else { return nil }
        }
        var tokens = [Int?](repeating: nil, count: part.tokenCount),
            columns = [Int?](repeating: nil, count: part.coordinateCount)
        for entry in part.layout.entries {
            let width = TokenColumns.width(entry.parameter)
            guard
                let own = layout.entries.first(where: {
                    ($0.group, $0.member, $0.parameter.name) == (entry.group, entry.member, entry.parameter.name)
                }), TokenColumns.width(own.parameter) == width
            else { return nil }
            if width == 0 { continue }
            let from = part.columns.coordinate(entry.offset), to = self.columns.coordinate(own.offset)
            let (token, column) = (to / coordinateCount, to % coordinateCount)
            let (t, c) = (from / part.coordinateCount, from % part.coordinateCount)
            guard tokens[t] ?? token == token else { return nil }
            tokens[t] = token
            for k in 0..<width {
                guard columns[c + k] ?? column + k == column + k else { return nil }
                columns[c + k] = column + k
            }
        }
        guard !tokens.contains(nil), !columns.contains(nil) else { return nil }
        return CoordinatePlaces(
            bits: FamilyPart(part.description, of: description).bits, tokens: tokens.map { $0! },
            columns: columns.map { $0! })
    }
}
