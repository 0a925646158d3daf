/// One continuous parameter of a family: its name, its unit, and the chart in which its prior is flat.
///
/// From the chart follow how many numbers it takes in θ (`width`) and how many free parameters and local coordinates it
/// is worth (`dimension`).
public struct Parameter: Hashable, Codable, Sendable {
    /// Where the prior is flat.
    public enum Chart: Hashable, Codable, Sendable {
        /// The logarithm is uniform between those of `low` > 0 and `high`.
        case logUniform(low: Double, high: Double)
        case uniform(low: Double, high: Double)
        /// An axis ±μ, uniform on the sphere: three numbers, two coordinates.
        case axis
        /// A rotation, uniform: a unit quaternion; four numbers, three coordinates.
        case rotation
        /// A fraction in which the signal is linear: uniform on the simplex of all fractions of a structure, each at
        /// least `floor`.
        case weight(floor: Double)
        /// A coefficient in which the signal is linear, normal about 0 with this standard deviation.
        case coefficient(sd: Double)
        /// A scale of the data with a flat logarithm: it costs nothing, for every structure has it.
        case scale
        /// Known beforehand: one number, no coordinate.
        case fixed(Double)
    }

    public var name: String, unit: String, chart: Chart
    /// With a group of options (`ComponentGroup.Presence.oneOf`): the options that have this parameter; empty for all
    /// of them.
    public var options: [String]
    /// The chart is that of its ratio to this shared parameter; nil for its own.
    public var relativeTo: String?

    public init(_ name: String, _ unit: String = "", _ chart: Chart, options: [String] = [], relativeTo: String? = nil)
    {
        self.name = name
        self.unit = unit
        self.chart = chart
        self.options = options
        self.relativeTo = relativeTo
    }

    /// Numbers in θ.
    public var width: Int {
        switch chart {
        case .axis: 3
        case .rotation: 4
        default: 1
        }
    }

    /// Free directions.
    public var dimension: Int {
        switch chart {
        case .axis: 2
        case .rotation: 3
        case .fixed: 0
        default: 1
        }
    }

    /// Whether the signal is linear in it.
    public var isLinear: Bool {
        switch chart {
        case .weight, .coefficient: true
        default: false
        }
    }

    /// The names of its numbers in θ: `mu` becomes mux, muy, muz.
    func columns(of label: String) -> [String] {
        switch chart {
        case .axis: ["x", "y", "z"].map { label + $0 }
        case .rotation: ["w", "x", "y", "z"].map { label + $0 }
        default: [label]
        }
    }

    /// What is wrong with it, as the end of a sentence; nil when nothing is.
    var fault: String? {
        func ordered(_ low: Double, _ high: Double) -> String? {
            low.isFinite && high.isFinite && low < high ? nil : "needs two numbers, the smaller first (\(low), \(high))"
        }
        switch chart {
        case let .logUniform(low, high):
            return low > 0 ? ordered(low, high) : "needs a range above 0 for its logarithm (\(low))"
        case let .uniform(low, high): return ordered(low, high)
        case let .weight(floor): return (0..<1).contains(floor) ? nil : "needs a floor from 0 to below 1 (\(floor))"
        case let .coefficient(sd): return sd > 0 && sd.isFinite ? nil : "needs a standard deviation above 0 (\(sd))"
        case let .fixed(value): return value.isFinite ? nil : "needs a finite value"
        case .axis, .rotation, .scale: return nil
        }
    }
}
