# EXSEOS-STAND-IN: what both dialects share. Arguments: dialect, program, version, behaviour, prompt, script, the script's own.
namespace eval stand_in {
    lassign $::argv dialect program version behaviour prompt script
    set ::argv [lrange $::argv 6 end]
    set ::argc [llength $::argv]
    variable failed ""
}
fconfigure stdout -buffering line
fconfigure stderr -buffering line

# A command of the tool: `options` says for each of its options whether a value follows. The body finds what it was
# given in the dictionary `opt` and in the list `rest`; a number of words that is not within `least` and `most` is an error.
proc stand_in::define {name options least most body} {
    proc ::$name args "
        lassign \[stand_in::parse $name {$options} $least $most \$args\] opt rest
        $body"
}

proc stand_in::parse {name options least most words} {
    announce $name $words
    set opt {}
    set rest {}
    set unknown {}
    while {[llength $words]} {
        set words [lassign $words word]
        if {![regexp {^-[A-Za-z]} $word]} {
            lappend rest $word
            continue
        }
        set inline [regexp {^(-[^=]+)=(.*)$} $word -> word value]
        if {![dict exists $options $word]} {
            lappend unknown $word
            continue
        }
        if {!$inline} {
            set value 1
            if {[dict get $options $word]} {
                if {![llength $words]} {fail [missing_value $name $word]}
                set words [lassign $words value]
            }
        }
        dict set opt $word $value
    }
    if {[llength $unknown] || [llength $rest] > $most} {
        unknown_words $name $unknown [lrange $rest $most end]
    }
    if {[llength $rest] < $least} {fail [missing_word $name]}
    return [list $opt $rest]
}

# Print an error at once, as the tools do, and raise it; what is raised says what went wrong to a script that catches it.
proc stand_in::fail {message {raised ""}} {
    variable failed
    puts $message
    set failed $message
    return -level 2 -code error [expr {$raised eq "" ? $message : $raised}]
}

proc stand_in::given {opt option {default ""}} {
    return [expr {[dict exists $opt $option] ? [dict get $opt $option] : $default}]
}

# Let the program itself do what is easier in Python; it gets the pairs as they are, and prints its own errors.
proc stand_in::act {action args} {
    variable program
    return [catch {exec /usr/bin/python3 -I $program --stand-in $action {*}$args >@ stdout 2>@ stdout}]
}

# Run the script, then, where the tool has a prompt, what stands on standard input.
proc stand_in::main {} {
    variable script
    variable prompt
    variable failed
    if {[catch {uplevel #0 [list source $script]} message options]} {
        if {$message ne $failed && $message ne ""} {puts $message}
        trail $message [dict get $options -errorinfo]
        exit 1
    }
    while {$prompt ne ""} {
        puts -nonewline $prompt
        flush stdout
        if {[gets stdin line] < 0} break
        if {[catch {uplevel #0 $line} message]} {
            if {$message ne $failed} {puts $message}
        } elseif {$message ne ""} {
            puts $message
        }
    }
}

source $stand_in::dialect
stand_in::main
