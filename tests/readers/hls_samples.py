"""Small reports in the formats of Vivado HLS and Vitis HLS, with a different value in every field."""

from __future__ import annotations

CSYNTH_XML = """<profile>

<ReportVersion>
<Version>2023.1</Version>
</ReportVersion>

<UserAssignments>
<unit>ns</unit>
<ProductFamily>zynq</ProductFamily>
<Part>xc7z045-ffg900-2</Part>
<TopModelName>blend</TopModelName>
<TargetClockPeriod>4.00</TargetClockPeriod>
<ClockUncertainty>1.08</ClockUncertainty>
<FlowTarget>vivado</FlowTarget>
</UserAssignments>

<PerformanceEstimates>
<PipelineType>no</PipelineType>
<SummaryOfTimingAnalysis>
<unit>ns</unit>
<EstimatedClockPeriod>2.917</EstimatedClockPeriod>
</SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<unit>clock cycles</unit>
<Best-caseLatency>211</Best-caseLatency>
<Average-caseLatency>undef</Average-caseLatency>
<Worst-caseLatency>305</Worst-caseLatency>
<Best-caseRealTimeLatency>0.844 us</Best-caseRealTimeLatency>
<Average-caseRealTimeLatency>undef</Average-caseRealTimeLatency>
<Worst-caseRealTimeLatency>1.220 us</Worst-caseRealTimeLatency>
<Interval-min>212</Interval-min>
<Interval-max>306</Interval-max>
</SummaryOfOverallLatency>
</PerformanceEstimates>

<AreaEstimates>
<Resources>
<BRAM_18K>17</BRAM_18K>
<FF>4021</FF>
<LUT>5032</LUT>
<URAM>3</URAM>
<DSP>29</DSP>
</Resources>
<AvailableResources>
<BRAM_18K>1090</BRAM_18K>
<DSP>900</DSP>
<FF>437200</FF>
<LUT>218600</LUT>
<URAM>7</URAM>
</AvailableResources>
</AreaEstimates>
<ModuleInformation>
<Module>
<Name>mix</Name>
<PerformanceEstimates>
<SummaryOfTimingAnalysis>
<TargetClockPeriod>4.10</TargetClockPeriod>
<EstimatedClockPeriod>2.800</EstimatedClockPeriod>
</SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<Best-caseLatency>51</Best-caseLatency>
<Average-caseLatency>52</Average-caseLatency>
<Worst-caseLatency>53</Worst-caseLatency>
<PipelineInitiationInterval>54</PipelineInitiationInterval>
</SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources>
<FF>801</FF>
<AVAIL_FF>437201</AVAIL_FF>
<UTIL_FF>~0</UTIL_FF>
<LUT>902</LUT>
<UTIL_LUT>61</UTIL_LUT>
<BRAM_18K>0</BRAM_18K>
</Resources>
</AreaEstimates>
</Module>
</ModuleInformation>
</profile>
"""

CSYNTH_TEXT = """

================================================================
== Vivado HLS Report for 'blend'
================================================================
* Date:           Mon Jan  6 11:12:13 2020

* Version:        2019.1 (Build 2552052 on Fri May 24 15:28:33 MDT 2019)
* Project:        blend_prj
* Solution:       solution1
* Product family: virtexuplus
* Target device:  xcvu9p-flga2104-2-i


================================================================
== Performance Estimates
================================================================
+ Timing (ns): 
    * Summary: 
    +--------+-------+----------+------------+
    |  Clock | Target| Estimated| Uncertainty|
    +--------+-------+----------+------------+
    |ap_clk  |   4.00|     2.917|        0.50|
    +--------+-------+----------+------------+

+ Latency (clock cycles): 
    * Summary: 
    +-----+-----+-----+-----+---------+
    |  Latency  |  Interval | Pipeline|
    | min | max | min | max |   Type  |
    +-----+-----+-----+-----+---------+
    |  211|  305|  212|  306|   none  |
    +-----+-----+-----+-----+---------+

    + Detail: 
        * Instance: 
        +---------+-------+-----+-----+-----+-----+----------+
        |         |       |  Latency  |  Interval | Pipeline |
        | Instance| Module| min | max | min | max |   Type   |
        +---------+-------+-----+-----+-----+-----+----------+
        |mix_U0   |mix    |   51|   53|   54|   55| function |
        +---------+-------+-----+-----+-----+-----+----------+

        * Loop: 
        +---------+------+------+----------+-----------+-----------+------+----------+
        |         |   Latency   | Iteration|  Initiation Interval  | Trip |          |
        |Loop Name|  min |  max |  Latency |  achieved |   target  | Count| Pipelined|
        +---------+------+------+----------+-----------+-----------+------+----------+
        |- Rows   |    71|    72|        73|         74|         75|    76|    yes   |
        +---------+------+------+----------+-----------+-----------+------+----------+


================================================================
== Utilization Estimates
================================================================
* Summary: 
+---------------------+---------+-------+---------+---------+------+
|         Name        | BRAM_18K| DSP48E|    FF   |   LUT   | URAM |
+---------------------+---------+-------+---------+---------+------+
|DSP                  |        -|      -|        -|        -|     -|
|Expression           |        -|      9|      110|      120|     -|
|Register             |        -|      -|      130|        -|     -|
+---------------------+---------+-------+---------+---------+------+
|Total                |       17|     29|     4021|     5032|     3|
+---------------------+---------+-------+---------+---------+------+
|Available SLR        |     1440|   2280|   788160|   394080|   320|
+---------------------+---------+-------+---------+---------+------+
|Utilization SLR (%)  |       11|     12|    ~0   |       13|    14|
+---------------------+---------+-------+---------+---------+------+
|Available            |     4320|   6840|  2364480|  1182240|   960|
+---------------------+---------+-------+---------+---------+------+
|Utilization (%)      |    ~0   |     21|    ~0   |       22|    23|
+---------------------+---------+-------+---------+---------+------+

+ Detail: 
    * Register: 
    +-----------+----+----+-----+-----------+
    |    Name   | FF | LUT| Bits| Const Bits|
    +-----------+----+----+-----+-----------+
    |ap_CS_fsm  | 141|  33|  142|         34|
    +-----------+----+----+-----+-----------+
    |Total      | 143|  35|  144|         36|
    +-----------+----+----+-----+-----------+

"""

ABSOLUTE_LATENCY = """    +---------+---------+----------+----------+-----+-----+----------+
    |  Latency (cycles) |  Latency (absolute) |  Interval | Pipeline |
    |   min   |   max   |    min   |    max   | min | max |   Type   |
    +---------+---------+----------+----------+-----+-----+----------+
    |        ?|      305|         ?| 1.220 us |  212|    ?| dataflow |
    +---------+---------+----------+----------+-----+-----+----------+
"""

DESIGN_TEXT = """

================================================================
== Synthesis Summary Report of 'blend'
================================================================
+ General Information: 
    * Date:           Sun Feb  2 10:11:12 2025
    * Version:        2022.1 (Build 3526262 on Mon Apr 18 15:47:01 MDT 2022)
    * Project:        blend_prj
    * Solution:       solution1 (Vivado IP Flow Target)
    * Product family: zynquplus
    * Target device:  xck26-sfvc784-2LV-c
    

+ Performance & Resource Estimates: 
    
    PS: '+' for module; 'o' for loop; '*' for dataflow
    +------------+------+------+---------+---------+----------+---------+------+----------+---------+----------+-----------+-----------+-----+
    |  Modules   | Issue|      |      Latency      | Iteration|         | Trip |          |         |          |           |           |     |
    |  & Loops   | Type | Slack| (cycles)|   (ns)  |  Latency | Interval| Count| Pipelined|  BRAM   |    DSP   |     FF    |    LUT    | URAM|
    +------------+------+------+---------+---------+----------+---------+------+----------+---------+----------+-----------+-----------+-----+
    |+ blend*    |     -|  0.31|      305|  1.5e+03|         -|      306|     -|  dataflow|  17 (6%)|  29 (~0%)|  4021 (1%)|  5032 (8%)|    -|
    | + mix      |    II|  0.42|       53|  265.000|         -|       54|     -|        no|        -|   11 (1%)|  801 (~0%)|   902 (2%)|    -|
    |  o Rows    |    II|  7.43|       72|  360.000|        73|       74|    76|       yes|        -|         -|          -|          -|    -|
    |  + add     |     -|  0.53|        3|   15.000|         -|        4|     -|       yes|        -|         -|   65 (~0%)|   66 (~0%)|    -|
    | o Loop 2   |     -|  7.31|       82|  410.000|        83|        -|     8|        no|        -|         -|          -|          -|    -|
    |  + out     |     -|  0.64|        6|   30.000|         -|        7|     -|       yes|        -|         -|   67 (~0%)|   68 (~0%)|    -|
    +------------+------+------+---------+---------+----------+---------+------+----------+---------+----------+-----------+-----------+-----+


================================================================
== HW Interfaces
================================================================
* S_AXILITE Interfaces
+---------------+------------+---------------+
| Interface     | Data Width | Address Width |
+---------------+------------+---------------+
| s_axi_control | 32         | 6             |
+---------------+------------+---------------+

"""

COSIM_NEW = """Report time       : Sun Feb 23 04:11:21 PM CET 2025.
Solution          : solution1.
Simulation tool   : xsim.

+----------+----------+-----------------------------------------------+-----------------------------------------------+----------------------+
|          |          |             Latency(Clock Cycles)             |              Interval(Clock Cycles)           | Total Execution Time |
+   RTL    +  Status  +-----------------------------------------------+-----------------------------------------------+    (Clock Cycles)    +
|          |          |      min      |      avg      |      max      |      min      |      avg      |      max      |                      |
+----------+----------+-----------------------------------------------+-----------------------------------------------+----------------------+
|      VHDL|        NA|             NA|             NA|             NA|             NA|             NA|             NA|                    NA|
|   Verilog|      Pass|            201|            202|            203|            204|            205|            206|                  2077|
+----------+----------+-----------------------------------------------+-----------------------------------------------+----------------------+
"""

COSIM_OLD = """Report time       : Wed Apr 24 07:54:13 IST 2019.
Solution          : solution1.
Simulation tool   : xsim.

+----------+----------+-----------------------------------------------+-----------------------------------------------+
|          |          |                    Latency                    |                    Interval                   |
+   RTL    +  Status  +-----------------------------------------------+-----------------------------------------------+
|          |          |      min      |      avg      |      max      |      min      |      avg      |      max      |
+----------+----------+-----------------------------------------------+-----------------------------------------------+
|      VHDL|      Pass|            301|            302|            303|             NA|             NA|             NA|
|   Verilog|        NA|             NA|             NA|             NA|             NA|             NA|             NA|
+----------+----------+-----------------------------------------------+-----------------------------------------------+
"""

EXPORT_XML = """<profile>
  <RunData>
    <RUN_TYPE>impl</RUN_TYPE>
    <VIVADO_VERSION>v.2023.1</VIVADO_VERSION>
  </RunData>
  <TimingReport>
    <TargetClockPeriod>4.000</TargetClockPeriod>
    <AchievedClockPeriod>3.912</AchievedClockPeriod>
    <CP_FINAL>3.912</CP_FINAL>
    <CP_ROUTE>3.912</CP_ROUTE>
    <CP_SYNTH>2.648</CP_SYNTH>
    <CP_TARGET>4.000</CP_TARGET>
    <TIMING_MET>TRUE</TIMING_MET>
    <TNS_FINAL>-0.250</TNS_FINAL>
    <TNS_SYNTH>NA</TNS_SYNTH>
    <WNS_FINAL>0.088</WNS_FINAL>
    <WNS_ROUTE>0.088</WNS_ROUTE>
    <WNS_SYNTH>1.352</WNS_SYNTH>
  </TimingReport>
  <AreaReport>
    <Resources>
      <BRAM>12</BRAM>
      <CLB>702</CLB>
      <DSP>28</DSP>
      <FF>3995</FF>
      <LATCH>2</LATCH>
      <LUT>3120</LUT>
      <SRL>44</SRL>
      <URAM>1</URAM>
    </Resources>
    <AvailableResources>
      <BRAM>432</BRAM>
      <DSP>360</DSP>
      <FF>141120</FF>
      <LUT>70560</LUT>
    </AvailableResources>
  </AreaReport>
  <RtlModules>
    <RtlModule CELL="inst" IS_TOP="1"><Resources BRAM="99" FF="98" LUT="97"/></RtlModule>
    <RtlModule CELL="inst/mix_U0/add_U0"><Resources BRAM="2" FF="88" LUT="87"/><LocalResources FF="1"/></RtlModule>
  </RtlModules>
  <GeneralInfo NAME="General Information">
    <item NAME="Version" VALUE="2023.1 (Build 3854077 on May  4 2023)"/>
    <item NAME="Target device" VALUE="xczu3eg-sbva484-1-e"/>
  </GeneralInfo>
</profile>
"""

EXPORT_TEXT = """================================================================
== Vivado Place & Route Results
================================================================
+ General Information:
    * Date:            Sun Feb 23 16:17:08 CET 2025
    * Version:         2023.1 (Build 3854077 on May  4 2023)
    * Target device:   xczu3eg-sbva484-1-i


================================================================
== Run Constraints & Options
================================================================
+ Design Constraints & Options:
    * Place & Route target clock:  91 ns


================================================================
== Place & Route Resource Summary
================================================================
LUT:              3120
FF:               3995
DSP:              28
BRAM:             12
URAM:             1
SRL:              44


================================================================
== Place & Route Timing Summary
================================================================
* Timing was met
+----------------+-------------+
| Timing         | Period (ns) |
+----------------+-------------+
| Target         | 4.000       |
| Post-Synthesis | 2.648       |
| Post-Route     | 3.912       |
+----------------+-------------+


================================================================
== Place & Route Resources
================================================================
+------------------+-----+----+-----+------+------+-----+--------+
| Name             | LUT | FF | DSP | BRAM | URAM | SRL | Source |
+------------------+-----+----+-----+------+------+-----+--------+
| inst             | 97  | 98 |     |      |      |     |        |
|   (inst)         | 3   | 5  |     |      |      |     |        |
|   mix_U0         | 87  | 86 | 7   | 2    |      | 9   |        |
|     add_U0       | 17  | 16 |     |      |      |     |        |
|   out_U0         | 27  | 26 |     |      | 1    |     |        |
+------------------+-----+----+-----+------+------+-----+--------+

"""

EXPORT_OLD = """
Implementation tool: Xilinx Vivado v.2018.2
Project:             blend_prj
Solution:            solution1
Device target:       xcku115-flvb2104-2-i
Report date:         Tue Sep 11 10:11:12 CEST 2018

#=== Post-Implementation Resource usage ===
CLB:            702
LUT:           3120
FF:            3995
DSP:             28
BRAM:            12
SRL:             44
#=== Final timing ===
CP required:    4.000
CP achieved post-synthesis:    2.648
CP achieved post-implementation:    3.912
Timing met
"""

SAMPLES = {
    "blend_csynth.xml": CSYNTH_XML,
    "blend_csynth.rpt": CSYNTH_TEXT,
    "csynth.rpt": DESIGN_TEXT,
    "blend_cosim.rpt": COSIM_NEW,
    "old_cosim.rpt": COSIM_OLD,
    "export_impl.xml": EXPORT_XML,
    "export_impl.rpt": EXPORT_TEXT,
    "blend_export.rpt": EXPORT_OLD,
}
