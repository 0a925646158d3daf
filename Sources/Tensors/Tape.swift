/// A matrix in flight: values and, while a tape records, their gradient. Rows × columns, row-major, dense.
public struct Variable<S: Scalar> {
    public let value: UnsafeMutablePointer<S>
    private let gradientMemory: UnsafeMutablePointer<S>?
    /// Whether anything has been written to the gradient; nil where it has from the start.
    private let written: UnsafeMutablePointer<Bool>?
    public let rows: Int, columns: Int

    public var count: Int { rows * columns }

    /// - Parameters:
    ///   - gradient: what is added to, where there is one.
    /// - written: where there is one, false until something is added; what stands in the gradient's memory before that
    /// means nothing.
    init(
        value: UnsafeMutablePointer<S>, gradient: UnsafeMutablePointer<S>?, written: UnsafeMutablePointer<Bool>? = nil,
        rows: Int, columns: Int
    ) {
        self.value = value
        gradientMemory = gradient
        self.written = written
        self.rows = rows
        self.columns = columns
    }

    /// Whether there is a gradient at all.
    var records: Bool { gradientMemory != nil }

    /// Whether something has been added to the gradient.
    var hasGradient: Bool { gradientMemory != nil && written?.pointee != false }

    /// The gradient, to be read or added to: zero where nothing has been added yet.
    public var gradient: UnsafeMutablePointer<S>? {
        if !hasGradient, let gradientMemory {
            let bytes = count * MemoryLayout<S>.stride
            UnsafeMutableRawPointer(gradientMemory).initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        }
        return gradientToWrite
    }

    /// The gradient, all of which the caller will write unless `hasGradient`.
    var gradientToWrite: UnsafeMutablePointer<S>? {
        written?.pointee = true
        return gradientMemory
    }

    /// The same numbers as a matrix of other sizes.
    package func reshaped(_ rows: Int, _ columns: Int) -> Variable {
        precondition(rows * columns == count)
        return Variable(value: value, gradient: gradientMemory, written: written, rows: rows, columns: columns)
    }

    /// Another matrix whose gradient is this one's.
    func sharingGradient(_ value: UnsafeMutablePointer<S>) -> Variable {
        Variable(value: value, gradient: gradientMemory, written: written, rows: rows, columns: columns)
    }
}

/// Records the layers as they run forward and runs their `backward` in reverse order.
///
/// Every layer is a `forward`/`backward` pair; the tape only remembers what to call. With `records == false` no
/// gradient memory is taken and nothing is remembered, which is how inference runs the same code.
public final class Tape<S: Scalar> {
    public let arena: Arena
    public let records: Bool
    private var steps: [() -> Void] = []

    public init(arena: Arena = Arena(), records: Bool) {
        self.arena = arena
        self.records = records
    }

    /// A fresh matrix; its gradient, if there is one, starts at zero.
    public func matrix(_ rows: Int, _ columns: Int, zeroed: Bool = false) -> Variable<S> {
        let value: UnsafeMutablePointer<S> = arena.take(rows * columns, zeroed: zeroed)
        guard records else { return Variable(value: value, gradient: nil, rows: rows, columns: columns) }
        let written = arena.raw(bytes: 1).bindMemory(to: Bool.self, capacity: 1)
        written.initialize(to: false)
        return Variable(
            value: value, gradient: arena.take(rows * columns), written: written, rows: rows, columns: columns)
    }

    /// A fresh matrix with the gradient of another.
    func matrix(_ rows: Int, _ columns: Int, gradientOf other: Variable<S>) -> Variable<S> {
        precondition(rows == other.rows && columns == other.columns)
        return other.sharingGradient(arena.take(rows * columns))
    }

    /// Data that nothing flows back into.
    public func constant(_ value: UnsafeMutablePointer<S>, _ rows: Int, _ columns: Int) -> Variable<S> {
        Variable(value: value, gradient: nil, rows: rows, columns: columns)
    }

    /// Remembers a layer's backward step.
    public func remember(_ backward: @escaping () -> Void) { if records { steps.append(backward) } }

    /// Runs the remembered backward steps, last first.
    public func backward() {
        for step in steps.reversed() { step() }
        steps.removeAll(keepingCapacity: true)
    }

    /// Forgets everything and takes the memory back.
    public func reset() {
        steps.removeAll(keepingCapacity: true)
        arena.reset()
    }
}
