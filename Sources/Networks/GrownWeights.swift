import ModelSpace
import Tensors

extension Network {
    /// Weights to start from that answer of a smaller family's structures about as the network trained for it does: its
    /// weights where they have a place here; what reads new inputs starts at zero, and what writes new outputs fresh.
    ///
    /// A node of the structure decoder stands for the bit asked for and the bit before: a known bit after a new one is
    /// asked by the mean of its two nodes.
    /// - Parameters:
    ///   - file: of this configuration; its features are the first of these, its summaries all.
    ///   - places: where its bits, tokens and columns stand here.
    /// - Returns: layout.count weights, reproducible from the seed.
    public func weights(of file: NetworkFile, at places: CoordinatePlaces, seed: UInt64) -> [Float] {
        precondition(file.network.configuration == configuration && file.network.shape.features <= shape.features)
        precondition(
            file.network.shape.summaries == shape.summaries && places.bits.count == file.network.shape.components)
        precondition(
            places.tokens.count == file.network.shape.tokens && places.columns.count == file.network.shape.coordinates)
        var values = initialWeights(seed: seed)
        let known = Dictionary(uniqueKeysWithValues: file.network.layout.references.map { ($0.name, $0) })
        for r in layout.references {
            let from = known[r.name]!
            func row(_ i: Int) -> ArraySlice<Float> {
                file.weights[from.offset + i * from.columns..<from.offset + (i + 1) * from.columns]
            }
            func set(_ i: Int, _ row: some Collection<Float>) {
                values.replaceSubrange(r.offset + i * r.columns..<r.offset + (i + 1) * r.columns, with: row)
            }
            /// Inputs that the smaller one has, in rows; all others start at zero.
            func read(_ rows: [Int]) {
                for i in 0..<r.rows { set(i, Array(repeating: Float(0), count: r.columns)) }
                for (i, target) in rows.enumerated() { set(target, row(i)) }
            }
            switch r.name {
            case "encoder.embed.first.weight": read(Array(0..<from.rows))
            case "structure.node":
                for (rows, target) in nodes(places.bits) {
                    let all = rows.map { Array(row($0)) }
                    set(target, all[0].indices.map { c in all.reduce(0) { $0 + $1[c] } / Float(all.count) })
                }
            case "parameter.embed.weight":
                read(places.columns + places.tokens.map { shape.coordinates + $0 })
            case "parameter.structure.weight": read(places.bits)
            case "parameter.output.weight", "parameter.output.bias":
                for i in 0..<r.rows {
                    for (c, column) in places.columns.enumerated() {
                        values[r.offset + i * r.columns + column] = file.weights[from.offset + i * from.columns + c]
                    }
                }
            default:
                values.replaceSubrange(
                    r.offset..<r.offset + r.count, with: file.weights[from.offset..<from.offset + r.count])
            }
        }
        return values
    }

    /// Rows of the smaller network's node table whose mean each row here starts at.
    private func nodes(_ bits: [Int]) -> [(rows: [Int], target: Int)] {
        func node(_ depth: Int, _ last: Bool) -> Int { Int(structureDecoder.tableRow(depth: depth, lastBit: last)) }
        var list: [(rows: [Int], target: Int)] = []
        for (i, bit) in bits.enumerated() {
            let own = i == 0 ? [node(0, false)] : [node(i, false), node(i, true)]
            guard bit > 0 else { list.append((own, node(0, false))); continue }
            let isAfter = i > 0 && bits[i - 1] == bit - 1
            for last in [false, true] { list.append((isAfter ? [node(i, last)] : own, node(bit, last))) }
        }
        return list
    }
}
