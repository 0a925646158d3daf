/// Why an observation cannot be given to an exact engine.
public enum ExactError: Error, Equatable, CustomStringConvertible {
    case measurementCount(expected: Int, found: Int)
    case notFinite(index: Int)
    case notNormalised(mean: Double)

    public var description: String {
        switch self {
        case .measurementCount(let expected, let found):
            "the acquisition has \(expected) volumes but the observation \(found) values"
        case .notFinite(let index): "value \(index) of the observation is not a number: leave such voxels out"
        case .notNormalised(let mean):
            "the b≈0 volumes of the observation have mean \(mean): divide the voxel by it first"
        }
    }
}
